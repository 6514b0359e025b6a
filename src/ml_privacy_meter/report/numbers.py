"""How numbers are written: counts, figures and their intervals."""

import re
from collections.abc import Sequence

from ml_privacy_meter.report.document import Document

# Figures that are no shares, and so not written in per cent; nor is one in the unit of a column or of a detector, or
# whose name ends in its unit: "error (years)".
DECIMAL = ("AUC", "epsilon", "correlation", "Pearson", "Spearman")
QUANTITIES = re.compile(r"PSNR|absolute error|standard deviations|detector's number|(?<!FPR intended)\)$")


def count(number: int, what: str) -> str:
    """ "1 record", "4,000 records"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def value(name: str, number: float | None) -> str:
    """One figure: "5.3%", and "0.543" for what is not a share."""
    return "–" if number is None else _digits(name, [number])[0] + ("%" if in_per_cent(name) else "")


def stated(name: str, number: float | None) -> str:
    """A number that was not measured, in as few digits as it has: "1%", "0.5"."""
    if number is None:
        return "–"
    return f"{100 * number:.3g}%" if in_per_cent(name) else _minus(f"{number:.3g}")


def interval(risk: Document) -> str:
    """ "[4.1, 6.9]", in the unit of `value`; empty where nothing was resolved."""
    if risk["value"] is None or risk["low"] is None or risk["high"] is None:
        return ""
    low, high = _digits(risk["name"], [risk["value"], risk["low"], risk["high"]])[1:]
    return f"[{low}, {high}]"


def figure(risk: Document) -> str:
    """ "5.3% [4.1, 6.9]", or "not resolvable"."""
    if risk["value"] is None:
        return "not resolvable"
    return f"{value(risk['name'], risk['value'])} {interval(risk)}".strip()


def number(count: float) -> str:
    """ "61"; "fewer than 1" where rounding would say that there is none."""
    return "fewer than 1" if 0 < count < 0.95 else f"{count:,.0f}"


def probability(share: float) -> str:
    """A probability in per cent, never rounded to certainty: "97.0%", "> 99.9%"."""
    if share > 0.9995:
        return "> 99.9%"
    return f"{share:.1%}"


def memorized(exposed: Document) -> str:
    """ "62% ± 19", with one standard error."""
    share, error = exposed["memorization"], exposed["memorization_se"]
    return "–" if share is None or error is None else _minus(f"{round(100 * share)}% ± {round(100 * error)}")


def in_per_cent(name: str) -> bool:
    return not name.startswith(DECIMAL) and not QUANTITIES.search(name)


def one_in(fpr: float | None) -> str:
    """ "1 in 1,000"; "40 in 100" where it is not one in a whole number."""
    if not fpr:
        return "0"
    whole = round(1 / fpr)
    return f"1 in {whole:,}" if abs(whole * fpr - 1) < 1e-6 else f"{100 * fpr:.6g} in 100"


def _digits(name: str, numbers: Sequence[float]) -> list[str]:
    """All with as many digits as the first needs."""
    if QUANTITIES.search(name):
        return [_minus(f"{number:.3g}") for number in numbers]
    if not in_per_cent(name):
        return [_minus(f"{number:.3f}") for number in numbers]
    places = 2 if abs(numbers[0]) < 0.01 else 1
    return [_minus(f"{round(100 * number, places) + 0.0:.{places}f}") for number in numbers]


def _minus(digits: str) -> str:
    return digits.replace("-", "−")
