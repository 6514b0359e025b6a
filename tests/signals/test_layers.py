"""Layers go by the names and numbers that the owner of the model knows."""

import networks
import pytest
import torch
import worlds
from torch import nn

from ml_privacy_meter import signals
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets import open_model
from ml_privacy_meter.targets.fit import fit


def test_layers_are_the_modules_that_hold_no_other_in_the_order_of_their_names():
    model, _, _ = networks.made("mlp")
    assert list(signals.layers(model)) == ["0", "1", "2", "3"]
    assert list(signals.trainable(model)) == ["0", "3"]
    assert signals.layer(model, 2) is model[1]
    assert signals.layer(model, "3") is model[3]


def test_attention_and_recurrent_modules_are_one_layer_each():
    model = networks.Transformer()
    names = list(signals.layers(model))
    assert "blocks.layers.0.self_attn" in names
    assert not [name for name in names if "out_proj" in name]
    assert list(signals.layers(networks.Recurrent())) == ["words", "cells", "head"]


def test_a_layer_that_two_names_lead_to_is_listed_once_and_lists_of_layers_are_none():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.ModuleList([nn.Linear(2, 2)])
            self.again, self.extra = self.parts[0], nn.ParameterList([nn.Parameter(torch.ones(1))])

        def forward(self, x):
            return self.again(x)

    assert list(signals.layers(Twice())) == ["parts.0"]


def test_a_model_under_audit_goes_by_its_owners_names():
    model, x, y = networks.made("mlp")
    records = worlds.records(x, y)
    target, *_ = fit(open_model(model), records, records)
    assert list(signals.layers(target)) == list(signals.layers(model))
    expected = signals.gradient_norm(model, x, y, of="3.weight")
    torch.testing.assert_close(signals.gradient_norm(target, x, y, of="3.weight"), expected)
    torch.testing.assert_close(signals.gradient_norm(target, x, y, of=2), signals.gradient_norm(model, x, y, of=2))


@pytest.mark.parametrize("which", [0, 5, -1, "4", True])
def test_a_layer_that_is_not_there_is_answered_with_those_that_are(which):
    model, _, _ = networks.made("mlp")
    with pytest.raises(InputError, match=r"There is no layer .* Choose from: 1 `0` \(Linear\), 2 `1` \(ReLU\), 3"):
        signals.layer(model, which)


def test_modules_that_are_called_last_or_all_go_by_their_names_with_a_dot_before():
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.all, self.head = nn.Linear(4, 3), nn.Linear(3, 3), nn.Linear(3, 2)

        def forward(self, x):
            return self.head(self.all(self.last(x)))

    torch.manual_seed(0)
    model, x, y = Named(), torch.randn(5, 4), torch.arange(5) % 2
    for word, number, meant in (("last", 1, 3), ("all", 2, ("last", "all", "head"))):
        own = signals.gradient_norm(model, x, y, of=number)
        torch.testing.assert_close(signals.gradient_norm(model, x, y, of=f".{word}"), own)
        torch.testing.assert_close(
            signals.activations(model, x, y, of=f".{word}"), signals.activations(model, x, y, of=number)
        )
        other = signals.gradient_norm(model, x, y, of=meant if word == "last" else (".last", ".all", "head"))
        torch.testing.assert_close(signals.gradient_norm(model, x, y, of=word), other)
        assert (own - other).abs().min() > 1e-3
    with pytest.raises(InputError, match=r"There is no layer '\.'"):
        signals.layer(model, ".")
