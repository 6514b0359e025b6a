"""One reference model plays the target, so that the truth is known; and nothing in the view gives that truth away."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
import worlds
from torch import Tensor

from ml_privacy_meter import InputError, signals
from ml_privacy_meter.membership import MembershipGame, View, rehearsals
from ml_privacy_meter.types import Signals


@dataclass(frozen=True)
class Numbered:
    number: int

    def __call__(self, x):
        raise AssertionError("the reader is asked, and no model")


class Answers:
    """A reader of numbered models: model j says 1000 j + i of record i."""

    def signal(self, signal, model, records, query=0) -> Tensor:
        return 1000.0 * model.number + torch.from_numpy(records.id.astype(float)) + query / 10


LOSS = signals.loss


def view_of(inside: Tensor, **more) -> View:
    records = worlds.records(torch.zeros(len(inside), 1), torch.zeros(len(inside), dtype=torch.long))
    models = tuple(map(Numbered, range(inside.shape[1])))
    return View(Numbered(99), records, Answers(), models, inside, **more)


def says(seen: Signals) -> Tensor:
    """Which model each shown number came from."""
    return (seen.reference // 1000).long()


def independent(records: int, models: int) -> Tensor:
    return torch.rand(records, models, generator=torch.Generator().manual_seed(0)) < 0.5


def level(records: int, models: int) -> Tensor:
    """Every record inside exactly half of the models, each record by its own draw: no two models are complements."""
    rng = torch.Generator().manual_seed(0)
    return torch.rand(records, models, generator=rng).argsort(1).argsort(1) < models // 2


DESIGNS = {"pairs": worlds.halves(400, 8, 0), "level": level(400, 8), "independent": independent(400, 8)}
EACH = pytest.mark.parametrize("inside", DESIGNS.values(), ids=DESIGNS)


@EACH
def test_every_reference_plays_the_target_once_with_its_own_truth(inside):
    games = [*rehearsals(view_of(inside))]
    assert [game.view.target.number for game in games] == list(range(8))
    assert torch.equal(torch.stack([game.member for game in games], 1), inside)


@EACH
def test_what_is_shown_is_what_was_said_and_belongs_to_its_membership(inside):
    for j, game in enumerate(rehearsals(view_of(inside))):
        seen = game.view.signals(LOSS)
        assert torch.equal(seen.target, 1000.0 * j + torch.arange(400))
        assert torch.equal(seen.reference % 1000, torch.arange(400.0)[:, None].expand_as(seen.reference).double())
        assert torch.equal(seen.inside, inside.gather(1, says(seen)))
        assert not (says(seen) == j).any()


@EACH
def test_the_memberships_that_are_shown_do_not_tell_the_truth(inside):
    def tells(game: MembershipGame) -> None:
        count = game.view.signals(LOSS).inside.sum(1).double()
        if count.std() > 0:
            assert abs(np.corrcoef(count, game.member)[0, 1]) < 0.2

    for game in rehearsals(view_of(inside)):
        tells(game)
        for inner in rehearsals(game.view):
            tells(inner)


def test_the_complement_of_the_model_that_plays_sits_out():
    for j, game in enumerate(rehearsals(view_of(DESIGNS["pairs"]))):
        assert game.view.references == tuple(Numbered(k) for k in range(8) if k not in (j, j ^ 1))


def test_memberships_that_add_up_to_the_target_of_the_audit_are_refused():
    """The custom of the field: every record inside half of the models, of which one is then called the target."""
    with pytest.raises(InputError, match="must not tell"):
        list(rehearsals(view_of(level(400, 8)[:, 1:])))


@pytest.mark.parametrize("inside", [DESIGNS["pairs"], DESIGNS["level"]], ids=["pairs", "level"])
def test_offline_a_rehearsal_shows_models_alone_that_a_record_did_not_train(inside):
    public = worlds.records(torch.zeros(400, 1), torch.zeros(400, dtype=torch.long))
    view = view_of(torch.zeros(50, 8, dtype=torch.bool), population=public, population_inside=inside)
    games = [*rehearsals(view)]
    assert len(games) == 8
    for game in games:
        seen = game.view.signals(LOSS)
        assert seen.reference.shape == (400, 3)
        assert not seen.inside.any()
        assert not inside.gather(1, says(seen)).any()
        for inner in rehearsals(game.view):
            assert not inner.view.signals(LOSS).inside.any()


def test_too_few_references_are_refused_with_what_to_do():
    with pytest.raises(InputError, match="Train more reference models"):
        list(rehearsals(view_of(worlds.halves(400, 2, 0))))
    with pytest.raises(InputError, match="found 0"):
        list(rehearsals(worlds.leaky().view))


def test_several_queries_are_a_last_axis():
    seen = view_of(DESIGNS["pairs"]).signals(LOSS, queries=3)
    assert seen.reference.shape == (400, 8, 3)
    assert torch.equal(seen.target[0], torch.tensor([99_000.0, 99_000.1, 99_000.2], dtype=torch.float64))


def test_a_fold_keeps_its_rows_of_the_memberships():
    inside = DESIGNS["pairs"]
    game = MembershipGame(view_of(inside), inside[:, 0])
    part = game._fold(torch.arange(400) % 5 == 0)
    rows = part.records.id.astype(int)
    assert torch.equal(part.inside, inside[rows])
    assert torch.equal(part.population_inside, inside[part.population.id.astype(int)])
    assert not game.member[part.population.id.astype(int)].any()
    assert replace(part, hidden=part.inside).signals(LOSS).reference.shape == (80, 4)
