"""What layers give is read for each record, whichever way it lies."""

import networks
import pytest
import torch
from torch import nn

from ml_privacy_meter import signals
from ml_privacy_meter._checks import InputError


def test_a_layer_is_read_by_name_and_by_number():
    model, x, y = networks.made("mlp")
    with torch.no_grad():
        expected = model[0](x).relu().double()
    for of in ("1", 2):
        assert torch.equal(signals.activations(model.train(), x, y, of=of), expected)


def test_what_an_operation_in_place_makes_of_it_is_not_what_the_layer_gave():
    model, x, y = networks.made("mlp")
    with torch.no_grad():
        assert torch.equal(signals.activations(model, x, y, of=1), model[0](x).double())


def test_the_records_are_told_from_the_places_also_where_they_are_as_many():
    model, x, y = networks.made("transformer, places first")
    all_of = signals.activations(model, x, y, of="blocks.layers.0.linear1")
    assert all_of.shape == (11, 9 * 16)
    for i in (0, 7):
        alone = signals.activations(model, x[i : i + 1], y[i : i + 1], of="blocks.layers.0.linear1")
        torch.testing.assert_close(alone, all_of[i : i + 1], rtol=1e-5, atol=1e-5)
    nine = signals.activations(model, x[:9], y[:9], of="blocks.layers.0.linear1")
    torch.testing.assert_close(nine, all_of[:9], rtol=1e-5, atol=1e-5)


def test_a_recurrent_layer_gives_its_outputs_and_a_layer_called_twice_gives_both():
    model, x, y = networks.made("lstm")
    assert signals.activations(model, x, y, of="cells").shape == (11, 9 * 7)
    model, x, y = networks.made("tied")
    assert signals.activations(model, x, y, of="mix").shape == (11, 2 * 9 * 8)


def test_many_records_are_asked_in_parts(monkeypatch):
    model, x, y = networks.made("cnn")
    whole = signals.activations(model, x, y, of=3)
    monkeypatch.setattr("ml_privacy_meter.signals.activation._AT_ONCE", 4)
    torch.testing.assert_close(signals.activations(model, x, y, of=3), whole)


def test_a_layer_that_gives_nothing_for_each_record_is_refused():
    class Places(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.places, self.spare = nn.Embedding(5, 3), nn.Linear(2, 2)

        def forward(self, x):
            return x @ self.places(torch.arange(5))

    for of, found in (("places", "one of another shape"), ("spare", "none")):
        with pytest.raises(InputError, match=f"must give one tensor with a row for each record.*found {found}"):
            signals.activations(Places(), networks.numbers(5), torch.arange(11) % 3, of=of)
