"""The share of a data set that a model was trained on, and how often its interval holds the truth."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
import worlds
from scipy.stats import binom
from torch import Tensor

from ml_privacy_meter import InputError
from ml_privacy_meter.membership.bavaria import bavaria
from ml_privacy_meter.membership.difference import difference
from ml_privacy_meter.membership.game import View
from ml_privacy_meter.membership.usage import _share, _threshold, dataset_usage
from ml_privacy_meter.signals import Reader, Store

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Numbered:
    number: int

    def __call__(self, x):
        raise AssertionError("the reader is asked, and no model")


@dataclass(frozen=True)
class Said:
    """A reader of numbered models, with what each says of each record."""

    said: Tensor

    def signal(self, signal, model, records, query=0) -> Tensor:
        return self.said[torch.from_numpy(records.id.astype(int)), model.number]


def drawn(share: float, *, seed: int, models: int = 8, leak: float = 2.0, varies: float = 0.0, n: int = 300) -> View:
    """Signals higher by ``leak`` for members; models differ in it, and in what they say of everyone, by ``varies``."""
    rng = torch.Generator().manual_seed(seed)
    inside = worlds.halves(2 * n, models, seed)[:n]
    used = torch.rand(n, 1, generator=rng).argsort(0) < round(share * n)
    said = torch.randn(n, models + 1, generator=rng, dtype=torch.float64)
    said += 2 * torch.randn(n, 1, generator=rng, dtype=torch.float64)
    apart = varies * torch.randn(2, 1, models + 1, generator=rng, dtype=torch.float64)
    said += apart[0] + (leak + apart[1]) * torch.cat([inside, used], 1)
    records = worlds.records(torch.zeros(n, 1), torch.zeros(n, dtype=torch.long))
    return View(Numbered(models), records, Said(said), tuple(map(Numbered, range(models))), inside)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("varies", [0.0, 0.05])
def test_the_interval_of_rates_holds_the_truth_as_often_as_it_says(share, varies):
    """300 records, 8 models whose rates of .85 and .2 differ by so much: over-covers, and not absurdly."""
    rng, found, worlds_ = np.random.default_rng(0), [], 400
    for _ in range(worlds_):
        tpr, fpr = (np.clip(rate + varies * rng.standard_normal(9), 0, 1) for rate in (0.85, 0.2))
        members = np.array([*[150] * 8, round(300 * share)])
        hits, errors = rng.binomial(members, tpr), rng.binomial(300 - members, fpr)
        mean = (hits[8] + errors[8]) / 300
        found.append(_share(mean, hits[:8] / 150, errors[:8] / 150, 300, 0.9)[1:])
    low, high = np.array(found).T
    held = int(((low <= share) & (share <= high)).sum())
    assert held >= binom.isf(0.995, worlds_, 0.9)
    if 0 < share < 1:
        assert held <= 0.985 * worlds_


@pytest.mark.parametrize("share", SHARES)
def test_the_interval_holds_the_truth_in_drawn_worlds(share):
    found = [dataset_usage(drawn(share, seed=seed, varies=0.3), attack=difference) for seed in range(6)]
    missed = sum(not (u.low <= share <= u.high) for u in found)
    assert missed <= binom.isf(0.005, 6, 0.05)
    assert all(u.low <= u.share <= u.high for u in found)


def test_models_that_differ_widen_the_interval():
    alike, apart = (dataset_usage(drawn(0.5, seed=0, varies=v), attack=difference) for v in (0.0, 0.5))
    assert apart.high - apart.low > 2 * (alike.high - alike.low)


@pytest.fixture(scope="module")
def trained() -> View:
    """8 linear models of halves of a data set and as many other records; the target is to be set."""
    x, y, _ = worlds.draw(0, n=300, width=150)
    references, inside = (worlds.referenced(x, y, 0, 8)[of] for of in ("references", "inside"))
    return View(references[0], worlds.records(x[:150], y[:150]), Reader(Store()), references, inside[:150])


def used(view: View, share: float, seed: int) -> View:
    """The target is trained on a share of the data set, and on records of nobody's up to 150."""
    x, y, _ = worlds.draw(seed + 100, n=150, width=150)
    mine = torch.randperm(150, generator=torch.Generator().manual_seed(seed))[: round(150 * share)]
    rest = slice(0, 150 - len(mine))
    features = torch.cat([view.records.x[mine], x[rest]])
    return replace(view, target=worlds.overfitted(features, torch.cat([view.records.labels[mine], y[rest]])))


def test_models_that_were_trained_on_a_known_share_are_found_out(trained):
    missed = 0
    for share in SHARES:
        found = [dataset_usage(used(trained, share, seed)) for seed in range(3)]
        missed += sum(not (u.low <= share <= u.high) for u in found)
        assert abs(np.mean([u.share for u in found]) - share) < 0.12
        assert np.mean([u.high - u.low for u in found]) < 0.4
        assert all(u.records == 150 and u.tpr > u.fpr + 0.5 for u in found)
    assert missed <= binom.isf(0.005, 15, 0.05)


def test_says_nothing_was_used_where_nothing_was():
    usage = dataset_usage(worlds.blank(models=4).view)
    assert usage.low == 0


def test_an_attack_that_tells_nothing_says_nothing(trained):
    usage = dataset_usage(used(trained, 1.0, 0), attack=lambda view: torch.zeros(150))
    assert (usage.share, usage.low, usage.high) == (0.5, 0, 1)
    faint = dataset_usage(drawn(0.5, seed=0, leak=0.02), attack=difference)
    assert faint.high - faint.low > 0.9


def test_offline_the_rates_come_of_the_population():
    online = drawn(0.75, seed=3, n=600)
    trained_on_none = torch.arange(600) % 2 == 0
    online.reader.said[trained_on_none, :8] -= 2.0 * online.inside[trained_on_none]
    asked, public = (online.records.take(np.arange(k, 600, 2)) for k in range(2))
    none = torch.zeros(300, 8, dtype=torch.bool)
    view = replace(online, records=asked, inside=none, population=public, population_inside=online.inside[1::2])
    usage = dataset_usage(view, attack=difference)
    assert usage.low < 0.75 < usage.high
    assert usage.high - usage.low < 0.6
    assert usage == dataset_usage(view, attack=difference)


def test_the_share_is_the_formula_and_stays_in_its_limits():
    tpr, fpr = np.array([0.8, 0.9, 0.7, 0.8]), np.array([0.2, 0.1, 0.3, 0.2])
    assert _share(0.5, tpr, fpr, 1000, 0.95)[0] == pytest.approx((0.5 - 0.2) / (0.8 - 0.2))
    below, above = _share(0.0, tpr, fpr, 1000, 0.95), _share(1.0, tpr, fpr, 1000, 0.95)
    assert below[:2] == (0, 0)
    assert 0 < below[2] < 0.6
    assert above[0] == above[2] == 1
    assert 0.4 < above[1] < 1


def test_models_that_agree_leave_the_noise_of_counting():
    """Of 100 decisions 50 are right: the interval is at least a binomial one."""
    same = np.full(16, 1.0), np.full(16, 0.0)
    assert _share(0.5, *same, 100, 0.95) == pytest.approx((0.5, 0.5, 0.5))
    noisy = np.full(16, 0.9), np.full(16, 0.1)
    share, low, high = _share(0.5, *noisy, 100, 0.95)
    assert share == pytest.approx(0.5)
    assert high - low == pytest.approx(2 * 2.131 * (0.09 / 100 * 17 / 16) ** 0.5 / 0.8, abs=0.002)


def test_the_threshold_is_where_the_rates_differ_most_and_never_parts_a_tie():
    score = torch.tensor([5.0, 4, 4, 4, 1, 0])
    truth = torch.tensor([True, True, False, True, False, False])
    assert _threshold(score, truth) == 4
    assert _threshold(torch.tensor([3.0, 3, 2, 1]), torch.tensor([True, False, False, True])) in (1, 3)


def test_needs_rehearsals_and_a_confidence(trained):
    with pytest.raises(InputError, match="found 0"):
        dataset_usage(worlds.leaky().view)
    with pytest.raises(InputError, match="`confidence` must lie"):
        dataset_usage(trained, attack=bavaria, confidence=95)
