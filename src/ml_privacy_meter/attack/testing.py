"""Attacks of the original interface, played on records that none of them has learned from."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import UInt64

from ml_privacy_meter import targets
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.audit import audit
from ml_privacy_meter.membership import Attack, describe, threshold
from ml_privacy_meter.report import Report
from ml_privacy_meter.signals.gradient import gradient_norm
from ml_privacy_meter.utils.attack_data import Sides

BY_NORM: Any = partial(threshold, signal=gradient_norm)


def tested(
    opened: targets.Opened,
    sides: Sides,
    attacks: Sequence[Attack],
    learned: UInt64[np.ndarray, " records"],
    *,
    seed: int,
    device: str,
) -> Report:
    """What the attacks find, beside thresholds on the loss and on the gradient's norm, which learn nothing.

    Args:
        learned: keys of the records that an attack has learned from: they are left out.

    Raises:
        InputError: an attack failed, or too few records are left.
    """
    left = sides.without(learned)
    for side, what in ((left.members, "members"), (left.non_members, "non-members")):
        if len(side) < 20:
            raise InputError(
                f"An attack must be tested on 20 {what} or more from which it has not learned, found {len(side)}. "
                "Give more records, or a lower `attack_percentage`."
            )
    report = audit(
        opened, left.members, left.non_members, attacks=[*attacks, threshold, BY_NORM], seed=seed, device=device
    )
    for finding in report.failed:
        if finding.attack in [describe(attack) for attack in attacks]:
            raise InputError(
                f"The attack `{finding.attack}` failed: {finding.failed} The model that it is tested on must have the "
                "layers that it has learned from, in the same sizes."
            )
    return report
