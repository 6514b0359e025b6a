"""Which defenses are not worth their price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ml_privacy_meter.defending.entries import AGAIN, DEFENSE, MODEL, NONE

WORTH, NOT_WORTH, OPEN, YARDSTICK = "leaks less", "not worth its price", "open", "yardstick"


@dataclass(frozen=True)
class Rival:
    """What a verdict on a model hangs on.

    Args:
        kind: see `Entry`.
        wraps: others answer in its place, so that it keeps nothing from whoever has the weights.
        accuracy: on the non-members.
        dearer: its accuracy lies surely below that of "none".
    """

    name: str
    kind: str
    wraps: bool
    accuracy: float
    dearer: bool = False


@dataclass(frozen=True)
class Verdict:
    """What is said of a model.

    Args:
        less, more: in which lines it surely leaks less, and more, than "none".
        beaten_by: models with at least its accuracy that surely leak less in some line, and surely more in none.
        no_gain: its accuracy lies surely below that of "none", and its leaks in no line surely below.
    """

    says: str
    less: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    beaten_by: tuple[str, ...] = ()
    no_gain: bool = False


Signs = Mapping[tuple[str, str], Mapping[str, int]]  # (first, other) -> line -> sign of other less first, where sure


def verdicts(rivals: Sequence[Rival], signs: Signs) -> dict[str, Verdict]:
    """The verdict on each model.

    A model beats no other where its reference models may not be like it (the user's own), where it is a yardstick for
    luck ("none, trained again"), or where it only answers in another way and the other protects its weights too.

    Args:
        signs: for every ordered pair of names and each line that both have: -1 where the second surely leaks less.
    """
    none = next(rival for rival in rivals if rival.kind == NONE)
    return {rival.name: _verdict(rival, none, rivals, signs) for rival in rivals}


def _verdict(one: Rival, none: Rival, rivals: Sequence[Rival], signs: Signs) -> Verdict:
    to_none = signs.get((none.name, one.name), {})
    less, more = (tuple(line for line, sign in to_none.items() if sign == wanted) for wanted in (-1, 1))
    if one.kind == AGAIN:
        return Verdict(YARDSTICK, less, more)
    beaten_by = tuple(rival.name for rival in rivals if _beats(rival, one, signs))
    no_gain = one.kind == DEFENSE and one.dearer and not less
    if one.kind in (NONE, MODEL):
        return Verdict(YARDSTICK, less, more, beaten_by)
    says = NOT_WORTH if beaten_by or no_gain else WORTH if less and not more else OPEN
    return Verdict(says, less, more, beaten_by, no_gain)


def _beats(rival: Rival, one: Rival, signs: Signs) -> bool:
    found = set(signs.get((one.name, rival.name), {}).values())
    may = rival.name != one.name and rival.kind in (NONE, DEFENSE) and (one.wraps or not rival.wraps)
    return may and rival.accuracy >= one.accuracy and -1 in found and 1 not in found
