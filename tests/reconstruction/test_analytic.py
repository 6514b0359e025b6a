import pytest
import torch
from blobs import images, linear, seen, smooth, trained
from torch import nn

from ml_privacy_meter.reconstruction import DoesNotApplyError, ReconstructionGame, View, analytic


@pytest.mark.parametrize("seed", range(3))
def test_one_record_is_found_exactly(seed):
    x = images(1, seed=seed)
    found = analytic(seen(linear(seed), x, torch.tensor([seed])))
    assert torch.allclose(found.float(), x, atol=1e-5)


def test_one_record_is_found_after_several_steps():
    model, x = linear(), images(1)
    change = trained(model, x, torch.tensor([2]), lr=0.1, steps=5, batch_size=1)
    found = analytic(View(model, change, 1, images(50, seed=9), lr=0.1, local_steps=5))
    assert torch.allclose(found.float(), x, atol=1e-4)


def test_of_a_batch_those_are_found_that_move_units_alone():
    x = torch.zeros(3, 1, 8, 8)
    x[0, 0, 0], x[1, 0, 3], x[2, 0, 6] = 1.0, 0.5, 0.8
    model = linear(hidden=48)
    with torch.no_grad():  # a unit sees one row of pixels, and some of each rest
        weight = torch.zeros(48, 8, 8)
        for unit in range(48):
            weight[unit, unit % 8] = 1.0
        model[1].weight.copy_(weight.flatten(1))
        model[1].bias.fill_(-0.1)
    view = seen(model, x, torch.tensor([0, 1, 2]))
    match = ReconstructionGame(view, x).play(analytic)
    assert match.found == 3
    assert (match.psnr > 80).all()


def test_noise_leaves_no_ratios_that_agree():
    x = images(3)
    view = seen(linear(), x, torch.tensor([0, 1, 2]))
    for change in view.change.values():
        change.add_(torch.randn(change.shape, generator=torch.Generator().manual_seed(1)))
    assert len(analytic(view)) == 0


def test_a_gradient_of_zeros_gives_nothing():
    view = seen(linear(), images(1), torch.tensor([0]))
    for change in view.change.values():
        change.zero_()
    assert len(analytic(view)) == 0


@pytest.mark.parametrize(
    "model",
    [
        smooth(),
        nn.Sequential(nn.Flatten(), nn.Linear(64, 8, bias=False), nn.ReLU(), nn.Linear(8, 4)),
        nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 4)),
    ],
    ids=["convolution", "no bias", "not the records themselves"],
)
def test_it_takes_a_first_linear_layer_with_a_bias(model):
    with pytest.raises(DoesNotApplyError, match="begins with a linear layer"):
        analytic(seen(model, images(2), torch.tensor([0, 1])))
