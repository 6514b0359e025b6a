"""What weights add is told of attacks that were not chosen on the records that they are compared on."""

import numpy as np
import pytest
import torch

from ml_privacy_meter.risk import auc
from ml_privacy_meter.risk.added import added
from ml_privacy_meter.types import Scores, fold_of

TRUTH = torch.arange(800) < 400


def scores(shift: float, rng: np.random.Generator) -> Scores:
    return Scores(torch.from_numpy(rng.normal(size=800)) + shift * TRUTH, TRUTH)


def test_a_real_gain_is_found_and_no_other() -> None:
    rng = np.random.default_rng(0)
    found = {"loss": scores(0.5, rng), "norm": scores(1.2, rng), "entropy": scores(0.1, rng)}
    gain, *_ = added(found, {"norm"}, {}, fpr=[0.1], confidence=0.95)
    assert (gain.outputs, gain.weights, gain.how) == ("loss", "norm", "half")
    assert gain.difference.surely is not None
    assert gain.difference.surely > 0
    alone, *_ = added(found, {"norm"}, {}, fpr=[], confidence=0.95)
    assert alone.difference.surely == pytest.approx(alone.difference.low)
    assert gain.difference.surely < gain.difference.low - 0.001
    assert gain.at_most > gain.difference.high + 0.001
    assert alone.at_most == pytest.approx(alone.difference.high)
    same, *_ = added({"loss": found["loss"], "norm": found["loss"]}, {"norm"}, {}, fpr=[0.1], confidence=0.95)
    assert same.difference.low <= 0 <= same.difference.high
    assert same.difference.value == 0


def test_the_half_that_chooses_is_not_the_half_that_is_reported() -> None:
    """An attack that is right on one half alone is chosen there, or left out; its luck there is never reported."""
    rng = np.random.default_rng(1)
    half = torch.from_numpy(fold_of(TRUTH, 2))
    lucky = Scores(torch.where(half == 0, TRUTH.double(), torch.from_numpy(rng.normal(size=800))), TRUTH)
    late = Scores(torch.where(half == 1, TRUTH.double(), torch.from_numpy(rng.normal(size=800))), TRUTH)
    found = {"loss": scores(0.5, rng), "norm": scores(0.5, rng), "lucky": lucky, "late": late}
    gain, *_ = added(found, {"norm", "lucky", "late"}, {}, fpr=[0.1], confidence=0.95)
    assert gain.weights == "lucky"
    assert gain.reached[1] == pytest.approx(auc(lucky.where(half == 1)).value)
    assert gain.difference.high < 0.1
    assert gain.difference.trials == 400


def test_in_many_worlds_without_a_gain_it_is_told_of_in_few() -> None:
    """Six attacks on weights, none better than that on outputs: the best of them would be, by luck."""
    rng, told, by_luck = np.random.default_rng(2), 0, 0
    for _ in range(100):
        found = {"loss": scores(0.5, rng)} | {f"weights {k}": scores(0.5, rng) for k in range(6)}
        gain, *_ = added(found, set(found) - {"loss"}, {}, fpr=[], confidence=0.95)
        told += gain.difference.low > 0
        best = max(auc(one).value or 0 for name, one in found.items() if name != "loss")
        by_luck += best > (auc(found["loss"]).value or 0)
    assert by_luck > 70
    assert told <= 8


def test_where_rehearsals_choose_it_is_told_of_in_few_worlds_too() -> None:
    """Reference models rank the attacks by luck, and a record that is hard for one attack is hard for all."""
    rng, told, held = np.random.default_rng(5), 0, 0
    shifts = {"loss": 0.6, "entropy": 0.6, "label": 0.3} | {f"weights {k}": 0.6 for k in range(5)}

    def played(truth: torch.Tensor) -> dict[str, Scores]:
        hard = rng.normal(size=800) * 0.9
        noise = {name: torch.from_numpy(hard + 0.45 * rng.normal(size=800)) for name in shifts}
        return {name: Scores(noise[name] + shift * truth, truth) for name, shift in shifts.items()}

    for _ in range(100):
        rehearsals = [played(torch.from_numpy(rng.permutation(800)) < 400) for _ in range(2)]
        rehearsed = {name: tuple(one[name] for one in rehearsals) for name in shifts}
        gain, *_ = added(played(TRUTH), set(list(shifts)[3:]), rehearsed, fpr=[], confidence=0.95)
        assert gain.how == "rehearsals"
        told += gain.difference.low > 0
        held += gain.difference.low <= 0 <= gain.difference.high
    assert told <= 8
    assert held >= 88


def test_rehearsals_choose_where_attacks_of_both_kinds_were_rehearsed() -> None:
    rng = np.random.default_rng(3)
    target = {name: scores(shift, rng) for name, shift in {"loss": 0.9, "lira": 0.5, "norm": 0.2, "gap": 0.6}.items()}
    rehearsed = {
        name: tuple(scores(shift, rng) for _ in range(2))
        for name, shift in {"loss": 0.2, "lira": 0.8, "norm": 1.0, "gap": 0.1}.items()
    }
    gain, *_ = added(target, {"norm", "gap"}, rehearsed, fpr=[], confidence=0.95)
    assert (gain.outputs, gain.weights, gain.how) == ("lira", "norm", "rehearsals")
    assert gain.reached == (auc(target["lira"]).value, auc(target["norm"]).value)
    assert gain.difference.trials == 800
    only = {"loss": rehearsed["loss"]}
    assert added(target, {"norm", "gap"}, only, fpr=[], confidence=0.95)[0].how == "half"


def test_nothing_is_told_where_one_kind_was_not_played_or_a_figure_is_not_resolved() -> None:
    rng = np.random.default_rng(4)
    found = {"loss": scores(0.5, rng), "norm": scores(0.5, rng)}
    assert added(found, set(), {}, fpr=[0.1], confidence=0.95) == ()
    assert added(found, set(found), {}, fpr=[0.1], confidence=0.95) == ()
    assert added({}, set(), {}, fpr=[0.1], confidence=0.95) == ()
    names = [one.difference.name for one in added(found, {"norm"}, {}, fpr=[0.1, 0.001], confidence=0.95)]
    assert names == ["AUC", "TPR@10%FPR"]
