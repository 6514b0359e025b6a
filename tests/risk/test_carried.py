"""Thresholds that were set where reference models played the target."""

import math

import numpy as np
import pytest
import torch

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.risk import carried
from ml_privacy_meter.risk.intervals import clopper_pearson
from ml_privacy_meter.types import Scores


def scores(members: list[float], others: list[float]) -> Scores:
    score = torch.tensor([*members, *others], dtype=torch.float64)
    return Scores(score, torch.arange(len(score)) < len(members))


def world(rng: np.random.Generator, records: int, references: int, shift: float) -> list[Scores]:
    """The same records under several models; some score high under all, whoever trained on them."""
    hard = rng.normal(size=records)
    truth = np.stack([rng.permutation(records) < records // 2 for _ in range(references + 1)])
    score = hard + rng.normal(size=truth.shape) + shift * truth
    return [Scores(torch.from_numpy(s), torch.from_numpy(t)) for s, t in zip(score, truth, strict=True)]


def test_the_threshold_comes_from_the_rehearsals_and_the_rates_from_the_target():
    rehearsed = [scores([9.0], [1.0, 2.0, 3.0, 4.0, 5.0]), scores([9.0], [6.0, 7.0, 8.0, 9.0, 10.0])]
    found = carried(scores([8.5, 7.5, 9.5, 0.0], [8.5, 0.0, 0.0, 0.0]), rehearsed, fpr=0.2)
    assert (found.fpr, found.tpr.value, found.reached.value) == (0.2, 0.5, 0.25)
    assert (found.tpr.low, found.tpr.high) == clopper_pearson(2, 4)
    assert (found.reached.low, found.reached.high) == clopper_pearson(1, 4)
    assert (found.tpr.baseline, found.reached.baseline) == (0.25, 0.2)
    assert (found.tpr.trials, found.reached.trials) == (4, 4)


def test_what_lies_at_the_threshold_does_not_pass():
    """Of ten pooled non-members, two may pass at 20%, but the second to the fourth are tied: one passes."""
    rehearsed = [scores([0.0], [5.0, 4.0, 4.0, 4.0, 0.0]), scores([0.0], [0.0] * 5)]
    found = carried(scores([4.0, 4.0, 4.5], [4.0, 3.0, 4.5]), rehearsed, fpr=0.2)
    assert (found.tpr.value, found.reached.value) == (pytest.approx(1 / 3), pytest.approx(1 / 3))


def test_equal_scores_accuse_nobody():
    same = scores([1.0] * 30, [1.0] * 30)
    found = carried(same, [same, same], fpr=0.1)
    assert (found.tpr.value, found.reached.value) == (0.0, 0.0)


def test_too_few_non_members_in_all_rehearsals_resolve_nothing():
    small = scores([1.0] * 40, [0.0] * 40)
    found = carried(small, [small, small], fpr=0.01)
    assert found.tpr.value is None
    assert found.reached.value is None
    assert "needs 100 non-members in rehearsals, found 80" in found.tpr.note
    assert carried(small, [small, small, small], fpr=0.01).tpr.value == 1.0


def test_rehearsals_together_resolve_a_rate_that_one_does_not():
    rng = np.random.default_rng(0)
    target, *rehearsed = world(rng, 400, 10, 1.0)
    assert carried(target, rehearsed[:1], fpr=0.001).tpr.value is None
    assert carried(target, rehearsed, fpr=0.001).tpr.value is not None


def test_intervals_hold_the_true_rates_of_the_threshold():
    """In closed form: scores are normal, with variance 2. Records score alike under all models, as they do."""
    rng, held = np.random.default_rng(1), {"tpr": 0, "fpr": 0}
    for _ in range(400):
        target, *rehearsed = world(rng, 400, 6, 1.0)
        found = carried(target, rehearsed, fpr=0.05)
        pooled = np.sort(np.concatenate([one.others.numpy() for one in rehearsed]))[::-1]
        threshold = pooled[60]
        true = {kind: math.erfc((threshold - shift) / 2) / 2 for kind, shift in (("fpr", 0.0), ("tpr", 1.0))}
        held["tpr"] += found.tpr.low <= true["tpr"] <= found.tpr.high
        held["fpr"] += found.reached.low <= true["fpr"] <= found.reached.high
    assert min(held.values()) >= 0.93 * 400


def test_a_target_that_scores_higher_reaches_more_than_was_intended():
    rng = np.random.default_rng(2)
    target, *rehearsed = world(rng, 2000, 4, 1.0)
    found = carried(Scores(target.score + 1, target.truth), rehearsed, fpr=0.01)
    assert found.reached.low > 0.01
    assert found.tpr.baseline == found.reached.value


@pytest.mark.parametrize("fpr", [0.0, 1.0])
def test_rates_beyond_the_open_interval_are_refused(fpr):
    one = scores([1.0], [0.0])
    with pytest.raises(InputError, match="fpr"):
        carried(one, [one], fpr=fpr)


def test_without_a_rehearsal_nothing_is_carried():
    with pytest.raises(InputError, match="found none"):
        carried(scores([1.0], [0.0]), [], fpr=0.1)
