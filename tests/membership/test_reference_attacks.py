"""What must hold of the attacks that need reference models, whatever the arrays."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import worlds
from scipy.stats import spearmanr
from torch import Tensor

from ml_privacy_meter import InputError
from ml_privacy_meter.membership import MembershipGame, View, describe
from ml_privacy_meter.membership.bavaria import bavaria, bavaria_scores
from ml_privacy_meter.membership.difference import difference
from ml_privacy_meter.membership.lira import lira, lira_scores
from ml_privacy_meter.membership.moments import moments
from ml_privacy_meter.membership.percentile import percentile, percentile_scores
from ml_privacy_meter.membership.rmia import log_ratio, rmia, rmia_scores
from ml_privacy_meter.membership.shadow import shadow, sorted_outputs
from ml_privacy_meter.membership.stacked import stacked
from ml_privacy_meter.risk import auc
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.signals.classifier import log_probability, loss
from ml_privacy_meter.signals.confidence import entropy, other_classes
from ml_privacy_meter.types import Signals

EVERY = pytest.mark.parametrize(
    "attack",
    [
        *(difference, percentile, partial(percentile, break_ties=True), lira, rmia, bavaria, shadow),
        *(partial(lira, offline="one-sided"), partial(lira, offline="two-sided"), partial(rmia, offline=True)),
    ],
    ids=describe,
)
OFFLINE = pytest.mark.parametrize(
    "scores",
    [
        partial(lira_scores, offline="one-sided"),
        partial(lira_scores, offline="one-sided", variance="record"),
        partial(lira_scores, offline="two-sided"),
        partial(rmia_scores, offline=True),
        percentile_scores,
        lambda seen: moments(seen, trained=False).mean[:, 0],
    ],
    ids=["lira", "lira, variance of each record", "lira, two-sided", "rmia", "percentile", "mean"],
)


@pytest.fixture(scope="module")
def game() -> MembershipGame:
    return worlds.leaky(models=8)


def drawn(records: int = 400, models: int = 8, leak: float = 1.5, seed: int = 0) -> tuple[Signals, Tensor]:
    """Signals higher by ``leak`` in the models that a record trained, and which records trained the target."""
    rng = torch.Generator().manual_seed(seed)
    inside = worlds.halves(records, models + 1, seed)
    level = 2 * torch.randn(records, 1, 1, generator=rng, dtype=torch.float64)
    values = level + torch.randn(records, models + 1, 1, generator=rng, dtype=torch.float64)
    values += leak * inside[:, :, None]
    return Signals(values[:, 0], values[:, 1:], inside[:, 1:]), inside[:, 0]


def ranked(score: Tensor, member: Tensor) -> float:
    wins = (score[member][:, None] > score[~member]).double() + (score[member][:, None] == score[~member]).double() / 2
    return float(wins.mean())


@EVERY
def test_finds_a_planted_leak(game, attack):
    risk = auc(game.play(attack))
    assert risk.low > risk.baseline


@EVERY
def test_in_which_order_the_reference_models_stand_is_of_no_account(game, attack):
    view, order = game.view, [3, 1, 7, 0, 2, 6, 5, 4]
    turned = replace(view, references=tuple(view.references[j] for j in order), inside=view.inside[:, order])
    torch.testing.assert_close(attack(turned), attack(view))


@EVERY
def test_needs_reference_models(game, attack):
    with pytest.raises(InputError, match="needs reference models, and there are none"):
        attack(replace(game.view, references=(), inside=None))


@EVERY
def test_is_deterministic_and_gives_one_finite_number_a_record(game, attack):
    score = attack(game.view)
    assert score.shape == (600,)
    assert score.dtype == torch.float64
    assert score.isfinite().all()
    assert torch.equal(score, attack(game.view))


@pytest.mark.parametrize("scores", [lira_scores, bavaria_scores, partial(lira_scores, variance="record")])
def test_a_gaussian_leak_is_found_as_well_as_who_knows_the_gaussians_finds_it(scores):
    seen, member = drawn(records=1000, models=128)
    known = (seen.target - moments(seen, trained=False).mean)[:, 0]
    assert ranked(scores(seen), member) > ranked(known, member) - 0.02 > 0.8


@OFFLINE
def test_offline_uses_nothing_of_models_trained_on_the_record(scores):
    seen, _ = drawn()
    seen = replace(seen, target=-seen.target.exp(), reference=-seen.reference.exp())  # also log-probabilities, then
    changed = replace(seen, reference=torch.where(seen.inside[:, :, None], -7.0, seen.reference))
    assert torch.equal(scores(changed), scores(seen))


@pytest.mark.parametrize("scores", [lira_scores, bavaria_scores, rmia_scores])
def test_online_does_use_them(scores):
    seen, _ = drawn()
    seen = replace(seen, target=-seen.target.exp(), reference=-seen.reference.exp())
    changed = replace(seen, reference=torch.where(seen.inside[:, :, None], -7.0, seen.reference))
    assert not torch.allclose(scores(changed), scores(seen))


def test_offline_is_chosen_where_no_record_trained_a_reference_model():
    seen, _ = drawn()
    seen = replace(seen, inside=torch.zeros_like(seen.inside), target=-seen.target.exp())
    assert torch.equal(lira_scores(seen), lira_scores(seen, offline="one-sided"))
    assert torch.equal(rmia_scores(seen), rmia_scores(seen, offline=True))
    torch.testing.assert_close(rmia_scores(seen), rmia_scores(seen, offline=False))  # the side it lacks is filled in
    assert (bavaria_scores(seen) < 0).all()  # a log-probability


@pytest.mark.parametrize("scores", [lira_scores, bavaria_scores])
def test_offline_scores_stay_finite_and_apart_far_from_the_models(scores):
    """A probability that is 1 or 0 to sixteen digits would tie."""
    seen, _ = drawn(records=50, models=64)
    away = torch.linspace(3, 20, 50, dtype=torch.float64)[:, None]
    seen = replace(seen, inside=torch.zeros_like(seen.inside))
    of = moments(seen, trained=False)
    for sign in (1, -1):
        score = scores(replace(seen, target=of.mean + sign * away * of.within.sqrt()), sign=1)
        assert score.isfinite().all()
        assert len(score.unique()) == 50
    assert scores(replace(seen, target=of.mean - 1e6)).isfinite().all()


def test_bavaria_tends_to_lira_where_there_are_many_models():
    seen, _ = drawn(models=512)
    own = lira_scores(seen, variance="record")
    assert spearmanr(bavaria_scores(seen), own).statistic > 0.999
    few, _ = drawn(models=8)
    assert spearmanr(bavaria_scores(few), lira_scores(few, variance="record")).statistic < 0.99


def test_bavaria_is_steadier_than_lira_where_there_are_few_models():
    worlds_of_four = [drawn(records=2000, models=4, seed=seed) for seed in range(5)]
    by_bavaria, by_lira = (
        np.mean([ranked(scores(seen), member) for seen, member in worlds_of_four])
        for scores in (bavaria_scores, lira_scores)
    )
    assert by_bavaria > by_lira + 0.01


@pytest.mark.parametrize("scores", [lira_scores, bavaria_scores])
def test_two_models_that_each_trained_on_one_half_suffice(scores):
    """No record has two models on a side, so nothing but their spread over records says how much they vary."""
    seen, member = drawn(records=2000, models=3, leak=3.0)
    seen = replace(seen, reference=seen.reference[:, 1:], inside=seen.inside[:, 1:])
    assert (seen.inside.sum(1) == 1).all()
    assert ranked(scores(seen), member) > 0.75


@pytest.mark.parametrize("scores", [lira_scores, partial(lira_scores, variance="record"), bavaria_scores])
def test_models_that_all_agree_give_finite_scores(scores):
    seen, _ = drawn()
    same = replace(seen, reference=torch.ones_like(seen.reference))
    for target in (seen.target, torch.ones_like(seen.target)):
        assert scores(replace(same, target=target)).isfinite().all()


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 50.0])
@pytest.mark.parametrize("population", [True, False])
@pytest.mark.parametrize("offline", [True, False])
def test_rmia_orders_records_as_their_log_ratio_does_for_any_population(gamma, population, offline):
    seen, _ = drawn()
    seen = replace(seen, target=-seen.target.exp(), reference=-seen.reference.exp())
    of = drawn(records=70, seed=9)[0]
    others = replace(of, target=-of.target.exp(), reference=-of.reference.exp()) if population else None
    order = log_ratio(seen, a=0.3, offline=offline)[:, 0].argsort()
    score = rmia_scores(seen, others, gamma=gamma, offline=offline)
    assert (score[order].diff() > 0).all()
    share = rmia_scores(seen, others, gamma=gamma, offline=offline, break_ties=False)
    assert (share[order].diff() >= 0).all()
    assert 0 <= share.min() <= share.max() <= 1


def test_a_ratio_of_gamma_counts_however_it_was_rounded():
    """LR(x) is 2 LR(z), by different roads: without a tolerance one in three falls short in its last digit."""
    none = torch.zeros(1, 1, dtype=torch.bool)
    for p in torch.linspace(0.05, 0.45, 30, dtype=torch.float64):
        same = torch.full((1, 1, 1), -0.5, dtype=torch.float64)
        x, z = Signals((2 * p).log().reshape(1, 1), same, none), Signals(p.log().reshape(1, 1), same, none)
        assert rmia_scores(x, z, gamma=2.0, break_ties=False) == 1
        assert rmia_scores(x, z, gamma=2.0 + 1e-9, break_ties=False) == 0


def test_rmia_stays_finite_where_probabilities_round_to_0_or_1():
    seen, _ = drawn()
    target = torch.where(torch.arange(400)[:, None] % 2 == 0, -1e5, 0.0).double()
    reference = torch.where(torch.arange(8)[None, :, None] % 3 == 0, -1e5, 0.0).double().expand(400, 8, 1)
    for offline in (True, False):
        for a in (0.0, 0.3, 1.0):
            ratio = log_ratio(Signals(target, reference, seen.inside), a=a, offline=offline)
            assert ratio.isfinite().all()
    nothing = torch.full((400, 8, 1), -1e5, dtype=torch.float64)
    assert log_ratio(Signals(target, nothing, seen.inside), a=1.0, offline=True).isfinite().all()


def test_several_queries_are_added_or_averaged_where_they_say_the_same(game):
    seen, _ = drawn()
    thrice = Signals(seen.target.repeat(1, 3), seen.reference.repeat(1, 1, 3), seen.inside)
    torch.testing.assert_close(lira_scores(thrice), 3 * lira_scores(seen))
    torch.testing.assert_close(bavaria_scores(thrice), 3 * bavaria_scores(seen))
    torch.testing.assert_close(rmia_scores(thrice), rmia_scores(seen))


def test_a_record_without_models_on_a_side_is_named(game):
    inside = game.view.inside.clone()
    inside[41], inside[57] = True, True
    view = replace(game.view, inside=inside)
    advice = r"not trained on it, found 0 for record 41, and too few for 1 others\. Train more reference models"
    for attack in (difference, percentile, lira, partial(lira, offline="one-sided"), partial(rmia, offline=True)):
        with pytest.raises(InputError, match=advice):
            attack(view)
    with pytest.raises(InputError, match=r'that were trained on .* set `offline = "one-sided"`'):
        lira(replace(view, inside=~inside))
    with pytest.raises(InputError, match="2 or more"):
        lira_scores(drawn(models=2)[0], variance="record")
    with pytest.raises(InputError, match="not trained on some of the records"):
        bavaria(replace(view, inside=torch.ones_like(inside)))
    assert bavaria(view).isfinite().all()
    assert rmia(view).isfinite().all()


def test_settings_that_cannot_be_are_refused(game):
    for setting in ({"offline": "on"}, {"variance": "shred"}):
        with pytest.raises(InputError, match="There is no setting of"):
            lira(game.view, **setting)
    for setting in ({"gamma": 0.0}, {"a": 1.1}, {"a": float("nan")}, {"temperature": 0.0}):
        with pytest.raises(InputError, match="must lie"):
            rmia(game.view, **setting)
    with pytest.raises(InputError, match="one number a record, found shape"):
        lira(game.view, signal=other_classes)
    assert lira(game.view, signal=entropy).isfinite().all()


def test_log_probability_is_that_of_the_softmax_at_a_temperature():
    z, y = torch.randn(20, 4, generator=torch.Generator().manual_seed(0)).double(), torch.arange(20) % 4
    assert log_probability(2.0) is log_probability(2.0)
    assert log_probability(2.0).__name__ == "log_probability"
    torch.testing.assert_close(log_probability(1.0).of(z, y), -loss.of(z, y))
    torch.testing.assert_close(log_probability(2.0).of(z, y).exp(), (z / 2).softmax(1)[torch.arange(20), y])
    with pytest.raises(InputError, match="quantities"):
        log_probability(2.0).of(z, torch.randn(20, 4))


def spoken(y: Tensor, width: int, wrong: Tensor | None = None) -> View:
    """A view whose models answer with noise, and with the label where they know the record."""
    rng = torch.Generator().manual_seed(1)
    inside = worlds.halves(len(y), 4, 0)
    truth = y.double() if y.ndim > 1 else torch.nn.functional.one_hot(y, width).double()
    x = torch.arange(len(y))[:, None].double()
    truth = truth if wrong is None else torch.where(wrong[:, None], 1 - truth, truth)

    def model(known: Tensor):
        said = torch.randn(len(y), width, generator=rng) + 3 * truth * known[:, None]
        return lambda batch: said[batch[:, 0].long()]

    game = worlds.leaky()
    models = tuple(model(inside[:, j]) for j in range(4))
    return View(models[0], worlds.records(x, y), game.view.reader, models[1:], inside[:, 1:])


def test_shadow_learns_each_class_by_itself_where_it_can():
    """Of class 0 members are right; of class 1 they are wrong."""
    y = torch.arange(600) % 2
    view = spoken(y, 2, wrong=y == 1)
    member = worlds.halves(600, 4, 0)[:, 0]
    assert ranked(shadow(view), member) > 0.8
    assert ranked(shadow(view, fewest=10_000), member) > 0.8
    assert not torch.equal(shadow(view), shadow(view, fewest=10_000))
    assert not torch.equal(shadow(view, most=500, seed=0), shadow(view, most=500, seed=1))


def test_shadow_of_several_labels_at_once():
    y = torch.rand(600, 3, generator=torch.Generator().manual_seed(0)) < 0.5
    view = spoken(y, 3)
    assert ranked(shadow(view), worlds.halves(600, 4, 0)[:, 0]) > 0.7
    assert sorted_outputs.of(torch.randn(5, 3), y[:5]).shape == (5, 5)


def test_shadow_refuses_quantities_and_memberships_that_teach_nothing(game):
    with pytest.raises(InputError, match="quantities"):
        sorted_outputs.of(torch.randn(5, 3), torch.randn(5, 3))
    with pytest.raises(InputError, match="inside some reference models"):
        shadow(replace(game.view, inside=None))


def test_shadow_learns_offline_from_a_population_that_trained_the_models(game):
    view = game.view
    x, y, _ = worlds.draw(0)
    halves = [torch.arange(0, 600, 2), torch.arange(1, 600, 2)]
    asked, population = (worlds.records(x[rows], y[rows]) for rows in halves)
    offline = replace(view, records=asked, inside=None, population=population, population_inside=view.inside[halves[1]])
    assert ranked(shadow(offline), game.member[halves[0]]) > 0.6


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_log_odds_of_stacked_are_those_of_even_odds_whatever_share_trained_a_reference(share):
    x, y, _ = worlds.draw(3)
    rng = torch.Generator().manual_seed(0)
    inside = torch.rand(len(y), 8, generator=rng) < share
    models = tuple(worlds.overfitted(x[i], y[i]) for i in inside.T)
    member = torch.rand(len(y), generator=rng) < share
    view = View(worlds.overfitted(x[member], y[member]), worlds.records(x, y), Reader(Store()), models, inside)
    probability = stacked(view).sigmoid()
    assert (probability[member].mean() + probability[~member].mean()) / 2 == pytest.approx(0.5, abs=0.06)
