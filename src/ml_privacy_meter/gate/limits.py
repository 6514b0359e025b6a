"""Limits on figures, as people write them."""

import re
from dataclasses import dataclass
from decimal import Decimal

from ml_privacy_meter._checks import InputError, one_of
from ml_privacy_meter.report.words import in_per_cent
from ml_privacy_meter.risk.roc import percent

FIGURES = ("AUC", "balanced accuracy", "advantage", "power")  # and TPR at any rate; a low `error` is no good sign
EXAMPLES = "`AUC<=0.6` or `TPR@0.1%FPR<=1%`"

_NUMBER = r"((?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_LIMIT = re.compile(rf"(.*?)(<=|≤|<)\s*{_NUMBER}\s*(%?)")
_RATE = re.compile(rf"tpr@{_NUMBER}(%?)fpr")


@dataclass(frozen=True)
class Limit:
    """The most that a figure may be.

    Args:
        figure: its name in a report.
        most: a share in [0, 1].
        below: the figure must lie below ``most``, and not only at it.
        of_groups: held against each class and group, not against all records together.
    """

    figure: str
    most: float
    below: bool = False
    of_groups: bool = False

    def exceeded(self, number: float) -> bool:
        """Whether the number is more than is allowed."""
        return number >= self.most if self.below else number > self.most

    def __str__(self) -> str:
        most = f"{100 * self.most:.12g}%" if in_per_cent(self.figure) else f"{self.most:.12g}"
        return f"{self.figure}{'<' if self.below else '<='}{most}{' in each group' if self.of_groups else ''}"


def limit(text: str, *, of_groups: bool = False) -> Limit:
    """The limit that is written as ``FIGURE<=NUMBER``; rates and numbers as shares or in per cent.

    Raises:
        InputError: it is not written so, no report has such a figure, or the number is no share.
    """
    found = _LIMIT.fullmatch(text.strip())
    if found is None:
        raise InputError(f"A limit is written FIGURE<=NUMBER, as in {EXAMPLES}; found `{text}`.")
    figure, sign, number, unit = found.groups()
    most = _share(number, unit)
    if most > 1:
        raise InputError(f"A limit is a share from 0 to 1 or from 0% to 100%, found {number}{unit} in `{text}`.")
    return Limit(_figure(figure, text), float(most), below=sign == "<", of_groups=of_groups)


def _figure(name: str, text: str) -> str:
    squeezed = re.sub(r"[\s_]", "", name).lower()
    if found := _RATE.fullmatch(squeezed):
        rate = _share(*found.groups())
        if not 0 < rate < 1:
            raise InputError(f"A false positive rate lies between 0 and 1, or 0% and 100%; found {name.strip()}.")
        return f"TPR@{percent(float(rate))}FPR"
    known = {one.replace(" ", "").lower(): one for one in FIGURES}
    if squeezed in known:
        return known[squeezed]
    options = (*FIGURES, "TPR@1%FPR", "TPR@0.1%FPR")
    return one_of(name.strip(), options, f"figure to limit in `{text}`, which says")


def _share(number: str, unit: str) -> Decimal:
    try:
        return Decimal(number) / (100 if unit else 1)  # in decimals: 0.1% is 0.001, and not a bit more
    except ArithmeticError as problem:  # an exponent beyond all that decimals have
        raise InputError(f"A limit is a share from 0 to 1 or from 0% to 100%, found {number:.20}{unit}.") from problem
