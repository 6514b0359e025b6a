import pytest
import torch
import torch.nn.functional as F
from torch import Generator, nn

from ml_privacy_meter.training.pooling import max_pool2d, pool_first

RNG = Generator().manual_seed(0)
IMAGES = torch.randn(5, 6, 8, 12, generator=RNG).contiguous(memory_format=torch.channels_last)
PATCHES = {
    "all differ": IMAGES,
    "ties": IMAGES.round() + 0.0,  # so that no zero is negative
    "all the same": torch.ones_like(IMAGES),
    "infinite": torch.where(IMAGES > 1, torch.inf, IMAGES),
}


def both(pool, x, after):
    """What comes out, and the gradient of what goes in."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    out = after(pool(x, 2))
    weights = torch.randn(out.shape, generator=Generator().manual_seed(1)).to(out.dtype)
    return out.detach(), torch.autograd.grad(out, x, weights)[0]


@pytest.mark.parametrize("name", PATCHES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("after", [nn.Identity(), nn.ReLU(inplace=True), nn.Flatten()])
def test_the_largest_of_four_and_its_gradient_are_those_of_torch(name, dtype, after):
    x = PATCHES[name].to(dtype)
    for found, wanted in zip(both(max_pool2d, x, after), both(F.max_pool2d, x, after), strict=True):
        assert found.dtype == dtype
        assert torch.equal(found, wanted)


def test_of_zeros_of_both_signs_one_has_the_gradient():
    zeros = torch.where(IMAGES > 0, 0.0, -0.0).contiguous(memory_format=torch.channels_last)
    out, gradient = both(max_pool2d, zeros, nn.Identity())
    assert torch.equal(out, F.max_pool2d(zeros, 2))
    assert torch.equal(F.avg_pool2d(gradient, 2) * 4, F.avg_pool2d(both(F.max_pool2d, zeros, nn.Identity())[1], 2) * 4)
    assert int((gradient != 0).sum()) == out.numel()


@pytest.mark.parametrize(
    ("x", "size", "settings"),
    [
        (IMAGES, 3, {"stride": 2, "padding": 1}),
        (IMAGES, 2, {"stride": 1}),
        (IMAGES, (2, 1), {}),
        (IMAGES, 2, {"dilation": 2}),
        (IMAGES[:, :, 1:], 2, {}),
        (IMAGES[:, :, 1:], 2, {"ceil_mode": True}),
        (IMAGES.contiguous(), [2, 2], {"stride": [2, 2]}),
        (IMAGES[0], 2, {}),
    ],
)
def test_other_sizes_are_left_to_torch(x, size, settings):
    assert torch.equal(max_pool2d(x, size, **settings), F.max_pool2d(x, size, **settings))


def test_indices_are_those_of_torch():
    both = (pool(IMAGES, 2, return_indices=True) for pool in (max_pool2d, F.max_pool2d))
    for found, wanted in zip(*both, strict=True):
        assert torch.equal(found, wanted)


def test_a_relu_moves_behind_the_pooling_that_it_feeds_and_no_other():
    module = nn.Sequential(nn.Conv2d(6, 4, 3), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Sequential(nn.ReLU(), nn.AvgPool2d(2)))
    out = module(IMAGES)
    before = [out, *torch.autograd.grad(out.square().sum(), module.parameters())]
    names = list(module.state_dict())
    pool_first(module)
    assert [type(part) for part in module] == [nn.Conv2d, nn.MaxPool2d, nn.ReLU, nn.Sequential]
    assert [type(part) for part in module[3]] == [nn.ReLU, nn.AvgPool2d]
    assert list(module.state_dict()) == names
    out = module(IMAGES)
    for found, wanted in zip([out, *torch.autograd.grad(out.square().sum(), module.parameters())], before, strict=True):
        assert torch.equal(found, wanted)
