"""The white-box network: what it is shown, and what it is never shown."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import worlds

from ml_privacy_meter import InputError, membership
from ml_privacy_meter.membership import (
    MembershipGame,
    View,
    gradient_clusters,
    rehearsals,
    threshold,
    whitebox,
    whitebox_by_references,
)
from ml_privacy_meter.membership.parts import Exploited, log_outputs
from ml_privacy_meter.risk import auc
from ml_privacy_meter.signals import Reader, Store, logit_gap

QUICK = {"epochs": 10, "networks": 1, "kernels": 2}


def recorded(game: MembershipGame, **settings) -> list[View]:
    views: list[View] = []

    @membership.needs_known
    def watching(view):
        views.append(view)
        return torch.zeros(len(view.records))

    game.play(watching, **settings)
    return views


def rows(records) -> set[bytes]:
    return {row.numpy().tobytes() for row in records.x[slice(0, len(records))]}


@pytest.mark.parametrize("folds", [None, 4])
def test_every_record_is_asked_about_once_and_never_beside_its_own_truth(folds):
    game = worlds.leaky()
    views = recorded(game, folds=folds)
    assert len(views) == (folds or 2)
    for view in views:
        assert not rows(view.records) & rows(view.known)
        assert rows(view.records) | rows(view.known) == rows(game.view.records)
        assert torch.equal(view.known_member, game.member[torch.from_numpy(view.known.rows)])
        assert abs(int(view.known_member.sum()) - len(view.known_member) / 2) <= 1
    assert sum(len(view.records) for view in views) == len(game.member)


def test_a_mark_on_exactly_the_known_members_is_found_on_no_record_that_is_asked_about():
    """An attack that knows members by sight: it would be right about everybody if it were asked about a known one."""
    game = worlds.blank()

    @membership.needs_known
    def recognised(view):
        marked = view.known.x[slice(0, len(view.known))][view.known_member]
        asked = view.records.x[slice(0, len(view.records))]
        return (torch.cdist(asked, marked).amin(1) < 1e-6).double()

    assert game.play(recognised).score.sum() == 0


def test_the_truth_of_a_record_that_is_asked_about_does_not_move_its_score():
    """Members of one fold change names with non-members: the scores of that fold stay as they are."""
    game = worlds.blank()
    first = recorded(game)[0]
    here = torch.from_numpy(first.records.rows)
    views = []
    for change in (False, True):
        member = game.member.clone()
        if change:
            member[here] = ~member[here]
        view = replace(first, known_member=member[torch.from_numpy(first.known.rows)])
        views.append(whitebox(view, **QUICK))
    assert torch.equal(*views)


def test_no_tensor_of_a_view_is_the_truth_of_what_is_asked():
    game = worlds.leaky()
    for view in recorded(game):
        truth = game.member[torch.from_numpy(view.records.rows)]
        assert not torch.equal(view.known_member, truth)
        assert view.known_member.untyped_storage().size() == len(view.known)  # and no window into a longer one


def test_records_known_of_the_target_are_not_known_of_a_reference_model_that_plays_it():
    game = worlds.leaky(models=4)
    known, member = worlds.records(*worlds.draw(5)[:2]), worlds.draw(5)[2]
    view = replace(game.view, known=known, known_member=member)
    for rehearsal in rehearsals(view):
        assert rehearsal.view.known is None
        for shown in recorded(rehearsal):
            assert torch.equal(shown.known_member, rehearsal.member[torch.from_numpy(shown.known.rows)])


def test_an_attack_with_known_records_of_its_own_is_played_once():
    game = worlds.blank()
    known, member = worlds.records(*worlds.draw(77)[:2]), worlds.draw(77)[2]
    views = recorded(MembershipGame(replace(game.view, known=known, known_member=member), game.member))
    assert [len(view.records) for view in views] == [600]


def test_known_records_are_wanted_where_there_are_none():
    with pytest.raises(InputError, match="needs_known"):
        whitebox(worlds.leaky().view)


def test_the_network_learns_from_a_model_a_and_judges_a_model_b():
    """One reference model, whose records are the population: none of them is a record that is asked about."""
    a, b = worlds.leaky(1), worlds.leaky(2)
    view = replace(b.view, references=(a.view.target,), population=a.view.records, population_inside=a.member[:, None])
    scores = MembershipGame(view, b.member).play(partial(whitebox_by_references, **QUICK))
    assert auc(scores).low > 0.8


def test_what_a_rehearsal_hides_is_not_learned_from():
    game = worlds.leaky(models=4)
    asked = []

    class Counting(Reader):
        def signal(self, signal, model, records, query=0):
            asked.append(model)
            return super().signal(signal, model, records, query)

    (rehearsal, *_) = rehearsals(replace(game.view, reader=Counting(Store())))
    whitebox_by_references(rehearsal.view, **QUICK)
    assert all(any(model is one for one in (rehearsal.view.target, *rehearsal.view.references)) for model in asked)


def test_reference_models_with_known_records_are_wanted():
    with pytest.raises(InputError, match="Give reference models with `inside`"):
        whitebox_by_references(worlds.leaky().view)


def test_nothing_to_look_at_is_refused():
    nothing = {"layers": (), "gradients": (), "exploit_loss": False, "exploit_outputs": False, "exploit_label": False}
    with pytest.raises(InputError, match="needs something to look at"):
        worlds.leaky().play(partial(whitebox, **nothing))


class Convolutional(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv2d(1, 4, 3, padding=1)
        self.last = torch.nn.Linear(4 * 36, 3)

    def forward(self, x):
        return self.last(self.first(x).relu().flatten(1))


def pictures(seed: int = 0) -> MembershipGame:
    rng = torch.Generator().manual_seed(seed)
    x, y = torch.randn(240, 1, 6, 6, generator=rng), torch.randint(3, (240,), generator=rng)
    member = torch.arange(240) % 2 == 0
    torch.manual_seed(seed)
    model = Convolutional()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(80):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x[member]), y[member]).backward()
        optimizer.step()
    return MembershipGame(View(model, worlds.records(x, y), Reader(Store())), member)


@pytest.mark.parametrize("named", [{"layers": ["first"], "gradients": ["first", "last"]}, {"gradients": [1, 2]}])
def test_layers_are_named_or_numbered_and_may_be_convolutions(named):
    scores = pictures().play(partial(whitebox, exploit_outputs=False, exploit_label=False, **named, **QUICK))
    assert auc(scores).low > 0.8


INSIDE = {"layers": [], "exploit_loss": False, "exploit_outputs": False, "exploit_label": False}
OUTSIDE = {"layers": [], "gradients": []}


@pytest.mark.parametrize("shown", [INSIDE, OUTSIDE], ids=["inside", "outside"])
def test_what_a_snapshot_alone_knows_is_found_where_it_is_shown(shown):
    """A target that never saw the records, with an earlier moment that knows them by heart."""
    game, blank = worlds.leaky(), worlds.blank().view.target
    view = replace(game.view, target=blank, snapshots=(blank, game.view.target))
    attack = partial(whitebox, **shown, **QUICK)
    assert auc(MembershipGame(view, game.member).play(partial(attack, snapshots=1))).low > 0.75
    assert auc(MembershipGame(view, game.member).play(attack)).low <= 0.5


def test_a_network_learns_from_reference_models_at_the_same_moments():
    """Only an earlier moment knows anything, of the target as of the reference models."""
    game, blank = worlds.leaky(models=2), worlds.blank().view.target
    view, nothing = game.view, (blank, blank)
    view = replace(view, target=blank, snapshots=(view.target,), references=nothing)
    view = replace(view, reference_snapshots=tuple((one,) for one in game.view.references))
    attack = partial(whitebox_by_references, layers=(), gradients=(), most=600, **QUICK)
    assert auc(MembershipGame(view, game.member).play(partial(attack, snapshots=1))).low > 0.8


def test_what_outsiders_see_at_all_moments_comes_first():
    reads = [lambda signal, k=k: torch.full((4, 3) if signal is log_outputs else (4,), float(k)) for k in (1, 2)]
    exploited = Exploited(layers=(), gradients=())
    parts = exploited.of(torch.nn.Identity(), torch.zeros(4, dtype=torch.long), *reads)
    assert [float(part.amax()) for part in parts] == [1, 1, 2, 2, 1]
    assert exploited.plain(2) == len(parts)


def test_a_layer_that_is_not_there_is_an_error_that_lists_those_that_are():
    with pytest.raises(InputError, match=r"first.*last"):
        pictures().play(partial(whitebox, gradients=["middle"], **QUICK))


def test_clusters_order_records_by_the_norm_of_their_gradient_and_need_no_truth():
    game = worlds.leaky()
    score = game.play(gradient_clusters).score
    by_loss = game.play(threshold).score
    assert np.corrcoef(score.argsort().argsort(), by_loss.argsort().argsort())[0, 1] > 0.9
    assert ((score > 0) == game.member).double().mean() > 0.85


def test_gradients_alone_find_what_the_loss_finds():
    settings = {"layers": (), "exploit_loss": False, "exploit_label": False, "exploit_outputs": False}
    scores = worlds.leaky().play(partial(whitebox, **settings, **QUICK))
    assert auc(scores).value > auc(worlds.leaky().play(partial(threshold, signal=logit_gap))).value - 0.03
