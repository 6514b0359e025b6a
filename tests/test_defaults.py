"""Which attacks are played where none are named."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import reference_worlds
import torch
from torch import nn

import ml_privacy_meter as pm
from ml_privacy_meter.defaults import default_attacks, weights_of
from ml_privacy_meter.membership import access, describe, influence

X, Y = torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3


def named(**settings: object) -> list[str]:
    return [describe(attack) for attack in default_attacks(Y, **settings)]  # type: ignore[arg-type]


def test_attacks_on_weights_are_played_only_where_there_are_any() -> None:
    assert not any(access(attack) == "parameters" for attack in default_attacks(Y, references=8))
    assert {"threshold(signal=gradient_norm)", "threshold(signal=gradient_norm(of=last))", "influence"} < {
        *named(weights=("all", "last", "linear"))
    }
    assert not any("gap(" in name for name in named(weights=("all", "last", "linear")))


@pytest.mark.parametrize(("weights", "gap"), [(("all",), "gradient_gap"), (("all", "last"), "gradient_gap(of=last)")])
def test_with_reference_models_gradients_are_those_of_the_last_layer_where_it_is_known(
    weights: tuple[str, ...], gap: str
) -> None:
    found = named(weights=weights, references=8)
    assert {f"rmia(signal={gap})", f"bavaria(signal={gap})"} < {*found}
    assert "influence" not in found


def test_of_quantities_rmia_is_left_out_on_weights_too() -> None:
    found = [describe(attack) for attack in default_attacks(torch.randn(8, 1), references=8, weights=("all", "last"))]
    assert not any(name.startswith("rmia") for name in found)
    assert "bavaria(signal=gradient_gap(of=last))" in found


def test_what_can_be_read_is_found_by_trying_and_leaves_the_models_as_they_were() -> None:
    whole = nn.Sequential(nn.Unflatten(1, (3, 1, 1)), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 3))
    state = {name: value.clone() for name, value in whole.state_dict().items()}
    assert weights_of(whole, (), X, Y) == ("all", "last", "linear")
    assert whole.training
    assert all(torch.equal(value, state[name]) for name, value in whole.state_dict().items())
    bent = nn.Sequential(nn.Linear(3, 3), nn.LeakyReLU(0.5))
    assert weights_of(bent, (), X, Y) == ("all", "last")
    assert weights_of(lambda x: x, (), X, Y) == ()
    assert weights_of(whole, [lambda x: x], X, Y) == ()
    assert weights_of(whole, [bent], X, Y) == ("all", "last", "linear")


def test_the_weights_of_a_model_of_one_quantity_are_read_too() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(80, 3), torch.randn(80)
    report = pm.audit(nn.Linear(3, 1), (x[:40], y[:40]), (x[40:], y[40:]))
    assert {"threshold(signal=gradient_norm)", "influence"} < {found.attack for found in report.findings}
    assert not report.failed


def test_an_audit_of_a_module_says_what_the_weights_add_and_one_of_its_answers_does_not() -> None:
    world = reference_worlds.leaky(n=400)
    report = pm.audit(world.target, *world.sides)
    assert not report.failed
    assert {one.how for one in report.added} == {"half"}
    assert all("gradient" in one.weights or one.weights == "influence" for one in report.added)
    assert report.gradient_norms is not None
    norm = -torch.from_numpy(report.records["score: threshold(signal=gradient_norm)"].to_numpy(np.float64, copy=True))
    inner = report.gradient_norms.edges
    assert norm.quantile(0.01) > inner[0] * 0.99
    assert norm.quantile(0.99) < inner[-1] * 1.01
    alone = pm.audit(lambda x: world.target(x).detach(), *world.sides)
    assert alone.added == ()
    assert alone.gradient_norms is None
    assert {found.attack for found in alone.findings} < {found.attack for found in report.findings}


def test_a_blank_world_is_told_no_gain() -> None:
    gains = []
    for seed in range(6):
        world = reference_worlds.blank(seed, n=200)
        gains += pm.audit(world.target, *world.sides, attacks=[pm.membership.threshold, influence], fpr=[0.1]).added
    assert len(gains) >= 6
    assert sum((one.difference.surely or 0) > 0 for one in gains) <= 1


def test_an_attack_that_reads_other_weights_leaves_the_norms_out() -> None:
    world = reference_worlds.leaky(n=200)
    last = partial(pm.membership.threshold, signal=partial(pm.signals.gradient_norm, of="last"))
    assert pm.audit(world.target, *world.sides, attacks=[pm.membership.threshold, last]).gradient_norms is None


def test_an_audit_of_a_module_whose_weights_cannot_be_read_says_so_and_why() -> None:
    class Detached(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x).detach()

    def question(model: nn.Module) -> list[tuple[bool, str]]:
        x, y = torch.randn(60, 3), torch.arange(60) % 3
        report = pm.audit(model, (x[:30], y[:30]), (x[30:], y[30:]))
        return [(check.passed, check.says) for check in report.checks if "weights attacked" in check.name]

    torch.manual_seed(0)
    assert question(nn.Linear(3, 3)) == []
    [(passed, says)] = question(Detached())
    assert not passed
    assert "No attack could read them" in says


def test_labels_of_near_copies_are_asked_where_answers_are_changed() -> None:
    assert not any("label_robustness" in name for name in named(references=8))
    assert "threshold(signal=label_robustness)" in named(hidden=True)
    assert "bavaria(signal=label_robustness)" in named(hidden=True, references=8)


def test_an_audit_says_which_layers_no_gradient_reaches() -> None:
    class Cut(nn.Module):
        def __init__(self, cut: bool) -> None:
            super().__init__()
            self.cut, self.first, self.head = cut, nn.Linear(3, 5), nn.Linear(5, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            inside = self.first(x).relu()
            return self.head(inside.detach() if self.cut else inside)

    def said(model: nn.Module, attack: Any) -> list[str]:
        report = pm.audit(model, (x[:30], y[:30]), (x[30:], y[30:]), attacks=[attack])
        return [check.says for check in report.checks if "gradients reach" in check.name]

    torch.manual_seed(0)
    x, y = torch.randn(60, 3), torch.arange(60) % 3
    norm = partial(pm.membership.threshold, signal=pm.signals.gradient_norm)
    assert said(Cut(False), norm) == said(Cut(True), pm.membership.threshold) == []
    [says] = said(Cut(True), norm)
    assert "No gradient reaches 1 of 2 layers with trained parameters (`first`)" in says
