import re

import pytest
import torch
from blobs import gradient, images, linear, seen, smooth, trained
from torch import nn

from ml_privacy_meter import InputError
from ml_privacy_meter.reconstruction import View
from ml_privacy_meter.reconstruction.view import client

X, Y = images(4), torch.tensor([0, 1, 2, 3])


@pytest.mark.parametrize(("steps", "batch_size"), [(1, 4), (3, 4), (4, 2), (3, 3)])
def test_the_client_is_gone_through_as_torch_trains_it(steps, batch_size):
    model = smooth()
    view = View(
        model, trained(model, X, Y, lr=0.2, steps=steps, batch_size=batch_size), 4, X, lr=0.2, local_steps=steps
    )
    module = view.module()
    weights = {name: module.get_parameter(name) for name in view.names}
    found = client(module, weights, X.double(), Y, lr=0.2, steps=steps, batch_size=batch_size)
    for name, expected in view.gradients().items():
        assert torch.allclose(found[name], expected, atol=2e-6), name


def test_an_update_of_one_step_is_the_gradient():
    model = smooth()
    view = View(model, trained(model, X, Y, lr=0.2, steps=1, batch_size=4), 4, X, lr=0.2)
    for name, expected in gradient(model, X, Y).items():
        assert torch.allclose(view.gradients()[name], expected.double(), atol=1e-6)


def test_a_view_holds_no_batch_statistics_and_asks_none_of_the_model():
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(144, 4))
    change = trained(model, X, Y, lr=0.2, steps=1, batch_size=4)
    assert "1.running_mean" in change
    view = View(model, change, 4, X, lr=0.2)
    assert not [name for name in view.gradients() if "running" in name]
    other = {**change, "1.running_mean": torch.full((4,), 7.0)}
    with torch.no_grad():
        first = view.module()(X.double())
        model[1].running_mean.fill_(7.0)
        assert torch.equal(first, View(model, other, 4, X, lr=0.2).module()(X.double()))


def test_the_model_that_is_given_stays_as_it_is():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Dropout(), nn.Linear(64, 4)).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    module = View(model, gradient(model, X, Y), 4, X).module()
    assert torch.equal(module(X.double()), module(X.double()))  # nothing is drawn
    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_frozen_weights_need_no_change():
    model = linear()
    model[1].requires_grad_(False)
    loss = nn.functional.cross_entropy(model(X), Y)
    weight, bias = torch.autograd.grad(loss, [*model[3].parameters()])
    assert View(model, {"3.weight": weight, "3.bias": bias}, 4, X).names == ("3.weight", "3.bias")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 0}, "`count` must be a whole number of at least 1, found 0."),
        ({"lr": 0.0}, "`lr` must lie between 0 and inf, found 0.0."),
        ({"local_steps": 2}, "give `lr`"),
        ({"span": (1.0, 0.0)}, "`span` must be the least and the largest value"),
        ({"public": torch.zeros(0, 1, 8, 8)}, "`public` must hold at least one record a row"),
        ({"labels": torch.tensor([1])}, "a label for each of 4 records, found 1"),
        ({"change": {}}, "`change` must hold `0.weight` of shape (8, 1, 3, 3), found nothing."),
    ],
)
def test_what_cannot_be_read_is_said(settings, message):
    given = {"model": smooth(), "change": gradient(smooth(), X, Y), "count": 4, "public": X} | settings
    with pytest.raises(InputError, match=re.escape(message)):
        View(**given)


def test_a_change_that_is_not_finite_is_refused():
    model = smooth()
    change = gradient(model, X, Y)
    change["0.bias"] = torch.full_like(change["0.bias"], float("nan"))
    with pytest.raises(InputError, match=r"`0\.bias` is not"):
        View(model, change, 4, X)


def test_the_mean_image_is_of_public_records():
    view = seen(smooth(), X, Y)
    assert torch.allclose(view.mean_image(), images(200, seed=99).double().mean(0))
