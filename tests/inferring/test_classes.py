from dataclasses import fields
from functools import partial

import pytest
import torch
from informed_worlds import drawn, exact
from torch import nn

from ml_privacy_meter import InputError
from ml_privacy_meter.inferring.classes import reconstruct_classes
from ml_privacy_meter.reconstruction import ClassGame, ClassView, correlation, invert_classes, range_of


def patterned(count: int, seed: int, *, shown: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures of noise; where ``shown``, with a pattern of its class in each."""
    draw = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 8
    pattern = torch.rand(8, 1, 6, 6, generator=torch.Generator().manual_seed(9))
    x = torch.rand(count, 1, 6, 6, generator=draw)
    return (0.5 * x + 0.5 * pattern[y] if shown else x), y


def fitted(x, y, *, steps: int = 80) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 8))
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


MEMBERS, OTHERS, PUBLIC, NOISE = patterned(160, 0), patterned(80, 1), patterned(160, 2), patterned(160, 3, shown=False)
MODEL = fitted(*MEMBERS)
quick = partial(invert_classes, steps=80, restarts=1, variation=0.0)


def test_a_class_that_nobody_has_seen_is_shown_by_the_model():
    game = reconstruct_classes(MODEL, MEMBERS, OTHERS, public=NOISE, attacks=[quick], span=(0, 1))
    (one,) = game.tried
    assert one.excess.low > 0
    assert one.risks[0].value > one.risks[0].baseline + 0.1
    assert game.shows
    assert "liker to members than to non-members is not shown" in game.verdict
    assert one.risks[-1].low <= 0 <= one.risks[-1].high


def test_a_class_that_public_records_show_is_not_shown_better_by_the_model():
    game = reconstruct_classes(MODEL, MEMBERS, OTHERS, public=PUBLIC, span=(0, 1))
    assert not game.shows
    assert "No leak was shown" in game.verdict
    for one in game.tried:
        risks = {risk.name: risk for risk in one.risks}
        assert risks["the model's own certainty"].value > 0.9
        assert (
            risks["correlation with members' mean"].value
            < game.risks["class means"]["correlation with members' mean"].value
        )


def test_a_model_that_was_trained_on_nothing_shows_nothing():
    shown = []
    for seed in range(5):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Flatten(), nn.Linear(36, 8))
        shown.append(reconstruct_classes(model, MEMBERS, OTHERS, public=NOISE, attacks=[quick], seed=seed).shows)
    assert sum(shown) <= 1


def test_the_judge_was_trained_on_public_records_alone():
    known, blind = (
        reconstruct_classes(MODEL, MEMBERS, OTHERS, public=public, attacks=[quick]) for public in (PUBLIC, NOISE)
    )
    assert known.checks[0].passed
    assert not blind.checks[0].passed


def view(**settings) -> ClassView:
    public = PUBLIC[0].double()
    return ClassView(
        lambda x: MODEL(x.float()), torch.arange(8), public, PUBLIC[1], range_of(public, (0, 1)), **settings
    )


def means(x, y):
    return torch.stack([x[y == label].double().mean(0) for label in range(8)])


def test_a_generator_keeps_to_what_it_learned():
    plane = torch.rand(3, 1, 6, 6, generator=torch.Generator().manual_seed(4))
    found = quick(view(), generator=lambda z: torch.einsum("nz,zcij->ncij", z, plane), latent=3)
    flat = plane.flatten(1).double().T
    rest = found.flatten(1).T - flat @ torch.linalg.lstsq(flat, found.flatten(1).T).solution
    assert rest.abs().max() < 1e-5
    assert found.shape == (8, 1, 6, 6)


def test_the_start_of_least_loss_is_taken_and_the_same_view_gives_the_same_records():
    one, several = (invert_classes(view(), steps=5, restarts=count) for count in (1, 4))
    sure = [MODEL(x.float()).log_softmax(1).diagonal().mean() for x in (one, several)]
    assert sure[1] > sure[0]
    assert torch.equal(several, invert_classes(view(), steps=5, restarts=4))
    assert not torch.equal(several, invert_classes(view(seed=1), steps=5, restarts=4))
    with pytest.raises(InputError, match="start"):
        invert_classes(view(), start="middle")


def test_near_the_mean_it_begins_near_the_mean():
    mean = PUBLIC[0].double().mean(0)
    far, near = (
        correlation(invert_classes(view(), steps=1, start=start), mean.expand(8, 1, 6, 6))
        for start in ("noise", "mean")
    )
    assert near.min() > far.max()


def test_classes_in_another_order_are_answered_in_that_order():
    order = torch.tensor([3, 0, 7, 1, 2, 6, 5, 4])
    start = partial(invert_classes, steps=200, restarts=1, start="mean", l2=0.1)
    one = view()
    other = ClassView(one.model, order, one.public, one.public_y, one.range)
    assert correlation(start(other), start(one)[order]).min() > 0.8


def test_the_view_holds_no_member():
    game = ClassGame(view(), means(*MEMBERS), means(*OTHERS), lambda x: torch.zeros(8))
    for field in fields(game.view):
        held = getattr(game.view, field.name)
        if isinstance(held, torch.Tensor) and held.shape[1:] == (1, 6, 6):
            assert not (held[:, None] == MEMBERS[0][None].double()).flatten(2).all(2).any()
    with pytest.raises(InputError, match="must give a record for each class"):
        game.play(lambda view: torch.zeros(3, 1, 6, 6))
    seen = game.play(lambda view: means(*MEMBERS))
    assert seen.members.tolist() == pytest.approx([1.0] * 8)
    assert seen.agreed.tolist() == [True] + [False] * 7


def test_of_few_classes_nothing_is_said():
    x, y = drawn(60)
    torch.manual_seed(0)
    model = nn.Linear(6, 3)
    game = reconstruct_classes(model, (x.float(), y), tuple(drawn(60, seed=1)), attacks=[quick])
    assert game.shows is None
    assert "at least 6 classes, found 3" in game.tried[0].excess.note
    assert "nothing can be said" in game.verdict
    assert "No leak" not in game.verdict


def test_what_gives_no_gradients_is_refused_and_what_breaks_is_there_as_failed():
    x, y = (part.numpy() for part in drawn(60))
    with pytest.raises(InputError, match="takes the model itself"):
        reconstruct_classes(exact().fit(x, y), (x, y), tuple(part.numpy() for part in drawn(60, seed=1)))

    def breaks(view):
        """Breaks."""
        raise ValueError("broken")

    game = reconstruct_classes(MODEL, MEMBERS, OTHERS, attacks=[breaks])
    assert game.tried[0].failed == "ValueError: broken"
    assert game.shows is None
