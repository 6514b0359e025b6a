"""On a GPU: the same figures, and the user's model left where it was. Skipped where there is none."""

import copy
import warnings

import networks
import pytest
import torch
import worlds

import ml_privacy_meter as pm
from ml_privacy_meter.membership import threshold

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


class Places(torch.nn.Module):
    """Makes a tensor of its own on the way, as models with positions do."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x + 0 * torch.arange(x.shape[1], device=x.device))


@pytest.fixture(scope="module")
def world():
    x, y, member = worlds.draw(0)
    return Places(worlds.overfitted(x[member], y[member])), (x[member], y[member]), (x[~member], y[~member])


def check_equal(one, two):
    for name, risk in one.risks["threshold"].items():
        assert two.risks["threshold"][name].value == pytest.approx(risk.value, abs=0.01)


def test_a_gpu_is_taken_by_itself_and_the_model_stays_where_it_was(world):
    on_cpu = pm.audit(*world, attacks=[threshold], device="cpu")
    on_gpu = pm.audit(*world, attacks=[threshold])
    assert (on_cpu.about["device"], on_gpu.about["device"]) == ("cpu", "cuda")
    assert {p.device.type for p in world[0].parameters()} == {"cpu"}
    check_equal(on_cpu, on_gpu)


@pytest.mark.parametrize("kind", ["export", "script"])
def test_saved_models_move_to_the_gpu(world, tmp_path, kind):
    model, (x, _), _ = world
    if kind == "export":
        rows = ({0: torch.export.Dim("records", min=1)},)
        torch.export.save(torch.export.export(model, (x[:2],), dynamic_shapes=rows), tmp_path / "model.pt2")
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # deprecated, and yet what many models are kept in
            torch.jit.save(torch.jit.trace(model, x[:2]), tmp_path / "model.pt2")
    check_equal(
        pm.audit(tmp_path / "model.pt2", *world[1:], attacks=[threshold], device="cpu"),
        pm.audit(tmp_path / "model.pt2", *world[1:], attacks=[threshold]),
    )


def test_a_model_on_the_gpu_is_audited_there(world):
    model, *sides = world
    there = copy.deepcopy(model).cuda()
    check_equal(
        pm.audit(model, *sides, attacks=[threshold], device="cpu"), pm.audit(there, *sides, attacks=[threshold])
    )


@pytest.mark.parametrize("name", ["mlp", "cnn", "lstm", "transformer"])
def test_gradients_are_those_of_the_cpu_also_after_a_move(name):
    model, x, y = networks.made(name)
    model, x = model.double(), x.double() if x.is_floating_point() else x
    here = pm.signals.gradients(model, x, y)
    there = pm.signals.gradients(model.cuda(), x.cuda(), y)
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), here, rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(pm.signals.gradient_norm(model, x.cuda(), y).cpu(), here.norm(dim=1))
