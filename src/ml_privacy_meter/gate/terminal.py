"""The gate as a table for the terminal."""

from rich.table import Table
from rich.text import Text

from ml_privacy_meter.gate.judging import FAILED, PASSED, UNDECIDED, Gate, Judgement
from ml_privacy_meter.report.words import count, figure

STYLE = {PASSED: "green", FAILED: "bold red", UNDECIDED: "bold yellow"}


def table(gate: Gate) -> Table:
    """One row a limit and attack; above it the checks that failed, below it the reasons and the verdict."""
    made = Table(
        min_width=72,
        title=Text("\n").join(Text.assemble(("! ", "bold red"), warning) for warning in gate.warnings),
        title_justify="left",
        title_style="",
        caption=Text("\n").join([*_reasons(gate), Text(verdict(gate), STYLE[gate.status])]),
        caption_justify="left",
        caption_style="",
    )
    made.add_column("limit", overflow="fold")
    made.add_column("attack", overflow="fold")
    made.add_column("measured", justify="right")
    made.add_column("result")
    for before, one in zip((None, *gate.judgements), gate.judgements, strict=False):
        if before is not None and before.limit != one.limit:
            made.add_section()
        limit = "" if before is not None and before.limit == one.limit else str(one.limit)
        attack = f"{one.attack}\n{one.group}" if one.group else one.attack
        made.add_row(Text(limit), Text(attack), Text(_figure(one)), Text(one.status, STYLE[one.status]))
    return made


def verdict(gate: Gate) -> str:
    """What the gate comes to, in a sentence or two."""
    among = count(gate.attacks, "attack")
    share = f"{100 * gate.confidence:.4g}%"
    if gate.status == FAILED:
        over = sum(one.status == FAILED for one in gate.judgements)
        return (
            f"Failed: of {count(len(gate.judgements), 'figure')} held to a limit, {over} lie{'s' * (over == 1)} above."
        )
    if gate.status == UNDECIDED:
        return "Not decidable: this audit shows neither that the limits are kept nor that one is exceeded."
    if gate.by == "value":
        return f"Passed by the measured values, their uncertainty left aside, of {among}. Other attacks may find more."
    return f"Passed: the {share} intervals of {among} keep to every limit. Other attacks may find more."


def measured(one: Judgement) -> str:
    """The figure with its interval, and the group that it is of."""
    return f"{_figure(one)} ({one.group})" if one.group else _figure(one)


def _figure(one: Judgement) -> str:
    return "–" if one.risk is None else figure(one.risk)


def _reasons(gate: Gate) -> list[Text]:
    """Each reason once, with what it is the reason for."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in gate.judgements:
        if one.why:
            found.setdefault((str(one.limit), one.why), []).append(one.attack)
    return [Text(f"{limit} ({', '.join(attacks)}): {why}.") for (limit, why), attacks in found.items()]
