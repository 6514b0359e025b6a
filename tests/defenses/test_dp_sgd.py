"""DP-SGD does what it says: clipped sums, noise of its size, and an epsilon by privacy loss distributions."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import ml_privacy_meter
from ml_privacy_meter import InputError, Recipe, audit, membership, train_model, train_references
from ml_privacy_meter.defenses import _clipped, _opacus, clipping, dp_sgd
from ml_privacy_meter.defenses._opacus import Private, fit_alone, record_losses, sources
from ml_privacy_meter.training.fit import mean_loss
from ml_privacy_meter.training.recipe import from_factory

BOUND = 0.3


def network(outputs: int = 3) -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 8, bias=False), nn.ReLU(), nn.Linear(8, outputs))


def images() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)
    )


def convolutions() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(8, 3)
    )


def job(build=network, *, noise: float = 0.0, many: int = 40, kind: str = "classes", **settings) -> Private:
    rng = torch.Generator().manual_seed(3)
    x = torch.randn(many, 6, generator=rng) if build is network else torch.randn(many, 1, 8, 8, generator=rng)
    y = {
        "classes": torch.randint(3, (many,), generator=rng),
        "labels": torch.rand(many, 3, generator=rng) < 0.4,
        "logit": torch.rand(many, generator=rng) < 0.4,
        "amount": torch.randn(many, generator=rng),
    }[kind]
    plain = {"optimizer": "sgd", "momentum": 0.0, "lr": 1.0, "schedule": "constant", "epochs": 1, "batch_size": many}
    recipe = Recipe(**(plain | settings))
    outputs = 1 if kind in ("logit", "amount") else 3
    make = partial(build, outputs) if build is network else build
    prepared = lambda seed: from_factory(lambda: _opacus.private_module(make()), seed)  # noqa: E731
    return Private(recipe, prepared, x, y, torch.Tensor.float, noise, BOUND)


def alone(given: Private, seeds: range, **named) -> list[dict]:
    return [fit_alone(given, torch.arange(len(given.y)), seed, lambda share: None, **named) for seed in seeds]


def together(given: Private, seeds: range) -> list[dict]:
    rows = torch.arange(len(given.y)).repeat(len(seeds), 1)
    return _clipped.fit_together(given, rows, seeds, lambda share: None)


def clipped_mean(given: Private, seed: int) -> dict[str, torch.Tensor]:
    """The oracle: one record's gradient after another."""
    module = given.build(seed)
    sums = {name: torch.zeros_like(weight) for name, weight in module.named_parameters()}
    for one, label in zip(given.x, given.y, strict=True):
        loss = mean_loss(module(one[None])[None], label[None, None])
        gradients = torch.autograd.grad(loss, [*module.parameters()])
        norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
        for total, gradient in zip(sums.values(), gradients, strict=True):
            total += gradient * min(1.0, BOUND / float(norm))
    return {name: total / len(given.y) for name, total in sums.items()}


@pytest.mark.parametrize("kind", ["classes", "labels", "logit", "amount"])
@pytest.mark.parametrize("way", [alone, together])
def test_a_step_without_noise_is_the_mean_of_clipped_gradients(way, kind):
    given = job(kind=kind)
    for seed, state in zip(range(2), way(given, range(2)), strict=True):
        before, wanted = dict(given.build(seed).named_parameters()), clipped_mean(given, seed)
        assert sum(value.square().sum() for value in wanted.values()).sqrt() < BOUND  # some were clipped
        for name, value in state.items():
            torch.testing.assert_close(before[name] - value, wanted[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("build", [images, convolutions])
def test_single_gradients_of_other_layers_are_clipped_too(build):
    given = job(build)
    before, wanted = dict(given.build(0).named_parameters()), clipped_mean(given, 0)
    [state] = alone(given, range(1))
    for name, value in state.items():
        torch.testing.assert_close(before[name] - value, wanted[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("batch_size", [1, 7])  # of single records, many a batch is empty
def test_many_at_once_come_out_as_opacus_makes_each(optimizer, batch_size):
    given = job(noise=1.0, optimizer=optimizer, lr=0.05, epochs=3, batch_size=batch_size, schedule="cosine")
    for one, other in zip(alone(given, range(3)), together(given, range(3)), strict=True):
        for name, value in one.items():
            torch.testing.assert_close(value, other[name], rtol=1e-4, atol=1e-5)


def test_a_model_is_the_one_that_opacus_by_hand_trains():
    from opacus import PrivacyEngine

    given = job(noise=0.8, batch_size=10, epochs=2, lr=0.1)
    batches, noise, _ = sources(5, torch.device("cpu"))
    module = given.build(5)
    loader = DataLoader(TensorDataset(given.x, given.y), batch_size=10, generator=batches)
    with _opacus._quiet():
        model, optimizer, loader = PrivacyEngine().make_private(
            module=module,
            optimizer=torch.optim.SGD(module.parameters(), lr=0.1),
            data_loader=loader,
            noise_multiplier=0.8,
            max_grad_norm=BOUND,
            noise_generator=noise,
        )
        for _ in range(2):
            for rows in loader.batch_sampler:
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(given.x[rows]), given.y[rows]).backward()
                optimizer.step()
    [state] = alone(given, range(5, 6))
    for name, value in module.state_dict().items():
        torch.testing.assert_close(state[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("way", [alone, together])
def test_noise_has_the_deviation_that_is_accounted_for(way):
    many, noise = 40, 2.0
    quiet, loud = (torch.cat([s["0.weight"].flatten() for s in way(job(noise=n), range(60))]) for n in (0.0, noise))
    assert (loud - quiet).std() * many == pytest.approx(noise * BOUND, rel=0.03)
    assert (loud - quiet).mean() * many == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("build", [images, convolutions])
def test_large_batches_are_computed_in_parts(build):
    given = job(build, noise=0.5, epochs=2, batch_size=20, lr=0.1)
    [whole], [parts] = alone(given, range(1)), alone(given, range(1), room=5_000)
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", [network, images, convolutions])
def test_an_empty_batch_is_noise_alone(build, monkeypatch):
    given = job(build, noise=0.5, many=20, batch_size=1, epochs=2)
    seen = []
    monkeypatch.setattr(_opacus, "record_losses", lambda *given: seen.append(1) or record_losses(*given))
    shares = []
    fit_alone(given, torch.arange(20), 0, shares.append)
    assert len(shares) == 40
    assert 15 < len(seen) < 35  # about exp(-1) of them are empty


@pytest.mark.parametrize("way", ["alone", "together"])
def test_as_many_steps_are_made_as_are_accounted_for(way):
    given = job(many=93, batch_size=1)  # int(1 / (1 / 93)) is 92
    shares = []
    if way == "alone":
        fit_alone(given, torch.arange(93), 0, shares.append)
    else:
        _clipped.fit_together(given, torch.arange(93).repeat(2, 1), range(2), shares.append)
    assert len(shares) == dp_sgd(noise_multiplier=1.0).guarantee(given.recipe, 93).steps == 93


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(self.layer(x))


@pytest.mark.parametrize(
    ("module", "able"),
    [
        (network(), True),
        (nn.Sequential(network(), nn.Dropout(0.0)), True),
        (nn.Sequential(network(), nn.Dropout(0.5)), False),
        (nn.Sequential(nn.Unflatten(1, (2, 3)), nn.Linear(3, 2), nn.Flatten()), False),
        (nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6)), False),
        (nn.Sequential(nn.Linear(6, 6).requires_grad_(False), nn.Linear(6, 6)), False),
        (Twice(), False),
    ],
)
def test_what_is_trained_many_at_once(module, able):
    assert _clipped.clippable(job(), module) == able


def test_epsilon_is_that_of_privacy_loss_distributions():
    recipe = Recipe(epochs=10, batch_size=100)
    found = dp_sgd(noise_multiplier=1.0, delta=1e-5).guarantee(recipe, 10_000)
    assert (found.sample_rate, found.steps, found.delta) == (0.01, 1000, 1e-5)
    assert found.epsilon == pytest.approx(1.828, abs=1e-3)
    # of one step on all records it has a closed form: delta = Phi(1/2 - eps) - exp(eps) Phi(-1/2 - eps)
    once = dp_sgd(noise_multiplier=1.0, delta=1e-3).guarantee(Recipe(epochs=1, batch_size=50), 50).epsilon
    phi = torch.distributions.Normal(0.0, 1.0).cdf
    eps = torch.tensor(once, dtype=torch.float64)
    assert float(phi(0.5 - eps) - eps.exp() * phi(-0.5 - eps)) == pytest.approx(1e-3, rel=0.01)


@pytest.mark.parametrize("epsilon", [0.1, 2.0, 50.0])
def test_the_least_noise_for_an_epsilon_is_found(epsilon):
    recipe = Recipe(epochs=4, batch_size=40)
    found = dp_sgd(epsilon=epsilon).guarantee(recipe, 1_000)
    assert found.delta == 1e-4
    assert epsilon * 0.98 < found.epsilon <= epsilon
    given = dp_sgd(noise_multiplier=found.noise_multiplier, delta=1e-4).guarantee(recipe, 1_000)
    assert given.epsilon == found.epsilon


def test_delta_is_below_one_in_all_records():
    recipe = Recipe(epochs=1, batch_size=400)
    deltas = [dp_sgd(noise_multiplier=5.0).guarantee(recipe, many).delta for many in (999, 1000, 1001)]
    assert deltas == [1e-3, 1e-4, 1e-4]


def test_clipping_alone_guarantees_nothing():
    assert clipping().guarantee is None
    assert "guarantees nothing" in clipping().says


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({}, "either `noise_multiplier` or `epsilon`"),
        ({"noise_multiplier": 1.0, "epsilon": 2.0}, "and not both"),
        ({"noise_multiplier": 0.0}, "`noise_multiplier` must lie between"),
        ({"epsilon": -1.0}, "`epsilon` must lie between"),
        ({"noise_multiplier": 1.0, "delta": 1.0}, "`delta` must lie between"),
        ({"noise_multiplier": 1.0, "max_grad_norm": 0.0}, "`max_grad_norm` must lie between"),
    ],
)
def test_settings_that_mean_nothing_are_refused(named, says):
    with pytest.raises(InputError, match=says):
        dp_sgd(**named)


def test_an_epsilon_out_of_reach_is_refused():
    with pytest.raises(InputError, match="keeps what was asked for so low"):
        dp_sgd(epsilon=1e-7, delta=1e-12).guarantee(Recipe(epochs=50, batch_size=40), 40)


def test_training_that_diverges_is_refused():
    with pytest.raises(InputError, match="Training diverged"):
        train_model(recipe(lr=1e38, optimizer="sgd"), records(1), defense=dp_sgd(noise_multiplier=1.0))


def records(seed: int, many: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(many, 6)).astype(np.float32), rng.integers(3, size=many)


def recipe(**named) -> Recipe:
    wide = nn.Sequential(nn.Linear(6, 128), nn.ReLU(), nn.Linear(128, 3))
    return Recipe(**({"architecture": wide, "epochs": 60, "batch_size": 20, "lr": 0.01, "precision": "fp32"} | named))


def leak(defense) -> float:
    sides = records(1), records(2)
    target = train_model(recipe(), sides[0], defense=defense)
    references = train_references(recipe(), *sides, count=16, defense=defense, like=target)
    [finding] = audit(target, *sides, references=references, attacks=[membership.lira]).findings
    return next(risk.value for risk in finding.risks if risk.name == "AUC")


def test_less_leaks_to_an_adversary_who_trains_with_the_defense():
    none, clipped, noisy = leak(None), leak(clipping(max_grad_norm=0.1)), leak(dp_sgd(noise_multiplier=2.0))
    assert none > 0.85
    assert clipped < none - 0.05
    assert noisy < 0.65


FOUND_AGAIN = """
import sys
from dataclasses import replace

import numpy as np
from test_dp_sgd import images, network, nn, recipe, records

from ml_privacy_meter import train_references
from ml_privacy_meter.defenses import dp_sgd

def references():
    for build in (network, images):
        x, y = records(1)
        x = x if build is network else np.resize(x, (60, 1, 8, 8))
        sides, given = ((x, y), (x[::-1].copy() + 1, y)), replace(recipe(), architecture=build(), epochs=1)
        yield train_references(given, *sides, count=2, store=sys.argv[1], defense=dp_sgd(noise_multiplier=1.0)).models

first = [*references()]
sys.modules["ml_privacy_meter.defenses.dp_sgd"]._group = None  # a second training would fail
again = [*references()]
assert [[model.file for model in models] for models in first] == [[model.file for model in models] for models in again]
kinds = {type(part) for models in again for part in models[0].open().inner.modules()}
assert nn.GroupNorm in kinds and nn.BatchNorm2d not in kinds
"""


def test_models_are_found_again_with_the_layers_that_they_were_trained_with(tmp_path):
    path = os.pathsep.join([str(Path(__file__).parent), str(Path(ml_privacy_meter.__file__).parents[1])])
    run = [sys.executable, "-c", FOUND_AGAIN, str(tmp_path)]  # in the tests' own process no file is what is imported
    subprocess.run(run, check=True, env=os.environ | {"PYTHONPATH": path})


def test_a_seed_gives_the_same_model_and_another_seed_another():
    found = [
        train_model(recipe(epochs=1), records(1), seed=seed, defense=dp_sgd(noise_multiplier=1.0)) for seed in (1, 1, 2)
    ]
    first, again, other = (torch.cat([w.flatten() for w in model.inner.parameters()]) for model in found)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


class Centred(nn.Linear):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x - x.mean(0))


@pytest.mark.parametrize("layer", [Centred(6, 6), nn.BatchNorm1d(6, affine=False)], ids=["own", "without weights"])
def test_a_module_that_mixes_records_is_refused(layer):
    mixing = nn.Sequential(nn.Linear(6, 6), layer, nn.Linear(6, 3))
    with pytest.raises(InputError, match="hangs on the other records of a batch"):
        train_model(recipe(architecture=mixing, epochs=1), records(1), defense=dp_sgd(noise_multiplier=1.0))


class Counting(nn.Linear):
    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.register_buffer("shift", torch.zeros(()))


def test_a_layer_that_opacus_cannot_train_is_named():
    given = recipe(architecture=nn.Sequential(Counting(6, 6), nn.Linear(6, 3)), epochs=1)
    with pytest.raises(InputError, match="trainable layer with buffers"):
        train_model(given, records(1), defense=clipping())
