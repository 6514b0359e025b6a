"""How far an update lowered each record's loss: one pass in forward mode, held against gradients record by record."""

import networks
import pytest
import torch
import worlds
from torch import nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.signals import Moved, Reader, Store, loss, update, update_alignment


def changed(model: nn.Module, seed: int = 0, by: float = 0.1) -> dict[str, torch.Tensor]:
    """An update at random; as in a training, words that stand for nothing keep their places."""
    rng = torch.Generator().manual_seed(seed)
    change = {name: by * torch.randn(p.shape, generator=rng, dtype=p.dtype) for name, p in model.named_parameters()}
    for name, part in model.named_modules():
        if getattr(part, "padding_idx", None) is not None:
            change[f"{name}.weight"][part.padding_idx] = 0
    return change


def expected(model, x, y, change):
    gradients = networks.single_passes(model, x, y, list(model.parameters()))
    along = torch.cat([change[name].double().flatten() for name, _ in model.named_parameters()])
    return -(gradients @ along), gradients.norm(dim=1) * along.norm()


def forwards(model, x, y, change) -> bool:
    """Whether it was taken in forward mode."""
    taken, before = [], update._backward
    update._backward = lambda *given: taken.append(1) or before(*given)
    try:
        update_alignment(Moved(model, change), x, y)
    finally:
        update._backward = before
    return not taken


@pytest.mark.parametrize("name", networks.WORLDS)
def test_it_is_minus_the_gradient_times_the_update(name):
    model, x, y = networks.made(name)
    change = changed(model)
    right, scale = expected(model, x, y, change)
    with torch.no_grad():
        found = update_alignment(Moved(model, change), x, y)
    assert found.dtype == torch.float64
    assert ((found - right).abs() <= 1e-4 * scale).all()


@pytest.mark.parametrize(("name", "forward"), [("mlp", True), ("cnn", True), ("resnet20", True), ("lstm", False)])
def test_forward_mode_is_taken_where_the_model_takes_it(name, forward):
    model, x, y = networks.made(name)
    assert forwards(model, x, y, changed(model)) is forward


def test_a_forward_mode_that_lies_is_not_believed():
    class Lying(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x.clone()

        @staticmethod
        def setup_context(ctx, inputs, output):
            pass

        @staticmethod
        def backward(ctx, by):
            return by

        @staticmethod
        def jvp(ctx, moved):
            return 2 * moved

    class Model(nn.Linear):
        def forward(self, x):
            return Lying.apply(super().forward(x))

    torch.manual_seed(0)
    model, x, y = Model(5, 3), torch.randn(20, 5), torch.arange(20) % 3
    change = changed(model)
    right, _ = expected(model, x, y, change)
    torch.testing.assert_close(update_alignment(Moved(model, change), x, y), right, rtol=1e-4, atol=1e-6)
    assert not forwards(model, x, y, change)


def test_a_small_update_lowers_the_loss_by_what_is_said():
    x, y, _ = worlds.draw(3, n=50, width=20)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    change = changed(model, by=1e-5)
    before = loss(model, x.double(), y)
    said = update_alignment(Moved(model, change), x.double(), y)
    model.load_state_dict({name: value + change[name] for name, value in model.state_dict().items()})
    torch.testing.assert_close(before - loss(model, x.double(), y), said, rtol=1e-3, atol=1e-9)


def test_the_store_tells_the_updates_of_one_model_apart(tmp_path):
    """Rounds and clients have keys of their own; the same one is read once, also by the next reader."""
    x, y, _ = worlds.draw(0, n=30, width=10)
    torch.manual_seed(0)
    model, records = nn.Linear(10, 3), worlds.records(x, y)
    object.__setattr__(records, "key", "these records")
    moved = [Moved(model, changed(model, seed)) for seed in (0, 1)]
    for number, one in enumerate(moved):
        one.key = f"the model, and update {number}"
    found = [Reader(Store(tmp_path)).signal(update_alignment, one, records) for one in moved]
    assert not torch.allclose(*found)
    assert len(list(tmp_path.glob("*.rows"))) == 2
    again = Reader(Store(tmp_path)).signal(update_alignment, moved[1], records)
    assert torch.equal(again, found[1])
    assert len(list(tmp_path.glob("*.rows"))) == 2


def test_what_it_needs_is_said():
    model, x, y = networks.made("mlp")
    with pytest.raises(InputError, match="holds none"):
        update_alignment(model, x, y)
    change = changed(model)
    change.popitem()
    with pytest.raises(InputError, match="found nothing of"):
        update_alignment(Moved(model, change), x, y)
