"""The score beside a slow oracle: a Hessian that autograd takes, whole, and a system that is solved for each record."""

from dataclasses import replace
from functools import partial
from importlib import import_module

import pytest
import torch
import worlds
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ml_privacy_meter import InputError
from ml_privacy_meter.membership import View, influence
from ml_privacy_meter.signals import Reader, Store

influence_module = import_module("ml_privacy_meter.membership.influence")


def view(model: nn.Module, records: tuple[Tensor, Tensor], population: tuple[Tensor, Tensor]) -> View:
    return View(model, worlds.records(*records), Reader(Store()), population=worlds.records(*population))


def drawn(seed: int, n: int = 12, width: int = 3, classes: int = 3) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(n, width, generator=rng), torch.randint(classes, (n,), generator=rng)


def oracle(
    model: nn.Module, last: nn.Linear, records: tuple[Tensor, Tensor], population: tuple[Tensor, Tensor], damping: float
) -> Tensor:
    """Minus the logarithm of the length of (S + sI)^-1 (x) (A + aI)^-1 g, all of it by autograd and in full."""
    seen: list[Tensor] = []
    last.register_forward_hook(lambda _, args, __: seen.append(args[0].detach()))
    logits = model(population[0]).detach()
    inputs = torch.cat([seen[0], torch.ones(len(logits), 1)], 1).double()
    each = [
        torch.autograd.functional.hessian(lambda z, y=y: cross_entropy(z[None].double(), y[None]), z)
        for z, y in zip(logits, population[1], strict=True)
    ]
    factors = [torch.stack(each).double().mean(0), torch.einsum("ni,nj->ij", inputs, inputs) / len(inputs)]
    damped = [f + damping**0.5 * f.diagonal().mean() * torch.eye(len(f)) for f in factors]
    whole = torch.kron(*damped)
    scores = []
    for x, y in zip(*records, strict=True):
        g = torch.autograd.grad(cross_entropy(model(x[None]).double(), y[None]), [last.weight, last.bias])
        flat = torch.cat([g[0], g[1][:, None]], 1).double().flatten()
        scores.append(-torch.linalg.solve(whole, flat).norm().log())
    return torch.stack(scores)


@pytest.mark.parametrize("damping", [0.01, 1.0])
def test_it_is_the_solution_of_the_whole_system(damping: float) -> None:
    torch.manual_seed(0)
    last = nn.Linear(4, 3)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), last)
    records, population = drawn(1), drawn(2, n=30)
    expected = oracle(model, last, records, population, damping)
    found = influence(view(model, records, population), damping=damping)
    torch.testing.assert_close(found, expected.double(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("damping", [0.01, 1.0])
def test_with_fewer_known_records_than_inputs_it_is_the_same_and_takes_no_products_of_inputs(
    damping: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    last = nn.Linear(9, 3)
    model = nn.Sequential(nn.Linear(3, 9), nn.Tanh(), last)
    records, population = drawn(1), drawn(2, n=6)
    expected = oracle(model, last, records, population, damping)
    taken: list[int] = []
    damped = influence_module._damped
    monkeypatch.setattr(influence_module, "_damped", lambda h, by: taken.append(len(h)) or damped(h, by))
    found = influence(view(model, records, population), damping=damping)
    torch.testing.assert_close(found, expected.double(), rtol=1e-4, atol=1e-5)
    assert taken == [3]


def test_of_many_known_records_a_wide_layer_takes_some_from_all_over(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model, records, (x, y) = nn.Linear(9, 3), drawn(1, width=9), drawn(2, n=13, width=9)
    monkeypatch.setattr(influence_module, "MOST", 5)
    some = torch.tensor([0, 3, 6, 9, 12])
    curved = influence_module._curvature
    everyone = influence_module._residual(model(x).detach(), y)
    monkeypatch.setattr(influence_module, "_curvature", lambda *_: curved(everyone, y))
    found = influence(view(model, records, (x, y)))
    torch.testing.assert_close(found, influence(view(model, records, (x[some], y[some]))))


def test_a_factored_hessian_is_the_whole_one_where_all_population_records_are_one() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 3)
    x, y = drawn(3, n=1)
    weights = torch.cat([model.weight, model.bias[:, None]], 1).detach().flatten().double()

    def loss(w: Tensor) -> Tensor:
        both = w.view(3, 4)
        return cross_entropy(x.double() @ both[:, :3].T + both[:, 3], y)

    whole = torch.autograd.functional.hessian(loss, weights)
    inputs = torch.cat([x, torch.ones(1, 1)], 1).double()
    p = model(x).detach().double().softmax(1)[0]
    torch.testing.assert_close(whole, torch.kron(p.diag() - torch.outer(p, p), inputs.T @ inputs))


def test_a_binary_model_of_one_output_gives_what_one_of_two_does() -> None:
    """A target of one output answers in two columns, 0 and its logit."""
    torch.manual_seed(0)
    one = nn.Linear(3, 1)

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = one

        def forward(self, x: Tensor) -> Tensor:
            z = self.one(x)
            return torch.cat([torch.zeros_like(z), z], 1)

    records, population = drawn(1, classes=2), drawn(2, n=40, classes=2)
    found = influence(view(Two(), records, population))
    z = one(population[0]).detach().double()
    p, a = z.sigmoid(), torch.cat([population[0], torch.ones(40, 1)], 1).double()
    s = (p * (1 - p)).mean() * (1 + 0.1**0.5)
    square = a.T @ a / 40
    square = square + 0.1**0.5 * square.diagonal().mean() * torch.eye(4)
    delta = (one(records[0]).detach().double().sigmoid()[:, 0] - records[1]).abs() / s
    ours = torch.cat([records[0], torch.ones(12, 1)], 1).double()
    torch.testing.assert_close(
        found, -(delta * torch.linalg.solve(square, ours.T).norm(dim=0)).log(), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("labels", ["several", "quantities"])
def test_several_labels_and_quantities_are_judged_too(labels: str) -> None:
    x, _ = drawn(1, n=40)
    y = torch.rand(40, 3) < 0.5 if labels == "several" else torch.randn(40, 3)
    found = influence(view(nn.Linear(3, 3), (x[:20], y[:20]), (x[20:], y[20:])))
    assert found.isfinite().all()
    assert len(found.unique()) == 20


def test_the_truth_has_no_part_in_the_hessian() -> None:
    """The scores follow from the target, the record and the population alone."""
    game = worlds.leaky()
    shown = replace(game.view, population=worlds.records(*worlds.draw(5)[:2]))
    some = replace(shown, records=shown.records.take(torch.arange(0, 600, 7).numpy()))
    torch.testing.assert_close(influence(some), influence(shown)[::7])


def test_what_has_no_linear_last_layer_is_refused_with_its_name() -> None:
    images = torch.randn(12, 3, 4, 4), torch.arange(12) % 3
    convolution = nn.Sequential(nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(InputError, match=r"linear.*`0` is not"):
        influence(view(convolution, images, images))
    scaled = nn.Sequential(nn.Linear(3, 3), nn.LeakyReLU(0.5))
    with pytest.raises(InputError, match="gives the logits"):
        influence(view(scaled, drawn(1), drawn(2)))
    with pytest.raises(InputError, match=r"`torch\.nn\.Module`"):
        influence(view(lambda x: x, drawn(1), drawn(2)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="damping"):
        influence(view(nn.Linear(3, 3), drawn(1), drawn(2)), damping=0.0)


def test_it_is_played_with_the_non_members_of_other_folds() -> None:
    game = worlds.leaky()
    assert torch.equal(game.play(influence).score, game.play(partial(influence, damping=0.1)).score)
