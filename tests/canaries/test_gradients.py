"""Canaries in gradient space, in real trainings with Opacus: what becomes of them, and what they show."""

from typing import Any

import dp_worlds
import numpy as np
import pytest
import torch
from dp_worlds import BatchClipping, NoNoise
from opacus.optimizers import DPOptimizer

from ml_privacy_meter import InputError, risk
from ml_privacy_meter.canaries import GradientCanaries, load_scores
from ml_privacy_meter.claims import judge

COUNT = 300


def watched(*, sample_rate: float | None = None, count: int = COUNT, seed: int = 0, **how: Any) -> GradientCanaries:
    """The canaries of a training that is over."""
    of_canaries = {name: how.pop(name) for name in ("directions", "norm") if name in how}
    held: list[GradientCanaries] = []

    def watch(optimizer: Any, rate: float) -> None:
        rate = rate if sample_rate is None else sample_rate
        held.append(GradientCanaries(optimizer, sample_rate=rate, count=count, seed=seed, **of_canaries))

    dp_worlds.fit(watch, **how)
    return held[0]


@pytest.mark.parametrize("norm", [1.5, 10.0, 1000.0])
def test_without_noise_a_canary_in_every_step_leaves_what_it_is_clipped_to(norm):
    """And nothing is left of the records."""
    scores = watched(sample_rate=1, noise=0.0, directions="coordinates", norm=norm, epochs=2).scores()
    steps = 20
    assert torch.allclose(scores.members, torch.tensor(steps * dp_worlds.CLIP).double(), rtol=1e-4)
    assert scores.others.abs().max() < 1e-3


def test_a_canary_that_needs_no_clipping_is_left_as_it_is():
    scores = watched(sample_rate=1, noise=0.0, directions="coordinates", norm=0.25, epochs=1).scores()
    assert torch.allclose(scores.members, torch.tensor(10 * 0.25 * dp_worlds.CLIP).double(), rtol=1e-4)


def test_a_canary_is_in_a_step_as_often_as_a_record():
    scores = watched(noise=0.0, directions="coordinates", epochs=20).scores()
    steps, rate = 200, 0.1
    often = scores.members.numpy() / dp_worlds.CLIP
    assert np.allclose(often, np.round(often), atol=1e-2)
    assert abs(often.mean() - steps * rate) < 4 * np.sqrt(steps * rate * 0.9 / len(often))
    assert abs(often.var() / (steps * rate * 0.9) - 1) < 0.4


def test_noise_is_in_the_scores_as_the_claim_needs_it():
    scores = watched(noise=2.0, directions="coordinates", sample_rate=1, epochs=10).scores()
    steps = 100
    assert float(scores.others.std()) == pytest.approx(2.0 * dp_worlds.CLIP * np.sqrt(steps), rel=0.2)
    assert float(scores.members.mean() - scores.others.mean()) == pytest.approx(steps * dp_worlds.CLIP, rel=0.1)


def test_random_directions_are_of_length_one_and_their_own():
    scores = watched(sample_rate=1, noise=0.0, directions="random", epochs=1, count=20).scores()
    assert torch.allclose(scores.members, torch.tensor(10.0).double(), rtol=0.35)  # and a little of the others
    assert scores.others.abs().max() < 3.5


def test_in_a_batch_of_parts_a_canary_joins_once():
    def in_halves(optimizer: Any) -> None:
        whole = [p.grad_sample for p in optimizer.params]
        for p, found in zip(optimizer.params, whole, strict=True):
            p.grad_sample = found[: len(found) // 2]
        optimizer.signal_skip_step(do_skip=True)
        optimizer.step()
        optimizer.zero_grad()
        for p, found in zip(optimizer.params, whole, strict=True):
            p.grad_sample = found[len(found) // 2 :]
        optimizer.signal_skip_step(do_skip=False)

    canaries = watched(sample_rate=1, noise=0.0, directions="coordinates", epochs=1, each_step=in_halves)
    assert canaries.steps == 10
    scores = canaries.scores()
    assert torch.allclose(scores.members, torch.tensor(10.0).double(), rtol=1e-4)
    assert scores.others.abs().max() < 1e-3


def test_gradients_of_several_backward_passes_are_taken_together():
    def twice(optimizer: Any) -> None:
        for p in optimizer.params:
            p.grad_sample = [p.grad_sample, p.grad_sample.clone()]

    scores = watched(sample_rate=1, noise=0.0, directions="coordinates", epochs=1, each_step=twice).scores()
    assert torch.allclose(scores.members, torch.tensor(10.0).double(), rtol=1e-4)
    assert scores.others.abs().max() < 1e-3


def test_the_trainings_own_random_numbers_are_left_alone():
    """With canaries that weigh nothing, the same model comes out."""
    plain = dp_worlds.fit(epochs=1)
    held = []
    beside = dp_worlds.fit(lambda o, q: held.append(GradientCanaries(o, sample_rate=q, count=50, norm=1e-12)), epochs=1)
    for one, other in zip(plain.parameters(), beside.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("directions", ["random", "coordinates"])
def test_right_training_keeps_to_its_claim_and_broken_ones_are_refuted(directions):
    """The proof that the audit is of use. 100 steps with noise 2.0 at rate 0.1 keep to epsilon 1.9 at delta 1e-5."""
    verdicts = {}
    for optimizer in (DPOptimizer, NoNoise, BatchClipping):
        for seed in (1, 2):
            how = {"noise": 2.0, "epochs": 10, "count": 600, "directions": directions}
            canaries = watched(optimizer=optimizer, seed=seed, **how)
            found = judge(canaries.scores(), epsilon=2.0, delta=1e-5)
            verdicts.setdefault(optimizer.__name__, []).append(found.verdict)
    assert verdicts == {"DPOptimizer": ["consistent"] * 2, "NoNoise": ["refuted"] * 2, "BatchClipping": ["refuted"] * 2}


def test_scores_are_saved_to_a_new_file_alone(tmp_path):
    canaries = watched(epochs=1)
    file = canaries.save(tmp_path / "canaries.npz")
    again = load_scores(file)
    assert again.score.equal(canaries.scores().score)
    assert again.truth.equal(canaries.scores().truth)
    content = file.read_bytes()
    with pytest.raises(InputError, match="a new file"):
        canaries.save(file)
    assert file.read_bytes() == content
    with pytest.raises(InputError, match="npz"):
        canaries.save(tmp_path / "canaries.csv")


@pytest.mark.parametrize(
    "arrays",
    [
        {"score": np.zeros(3)},
        {"score": np.zeros(3), "member": np.zeros(2, bool)},
        {"score": np.zeros(3), "member": np.full(3, 2)},
        {"score": np.array(["a", "b"]), "member": np.array([0, 1])},
    ],
)
def test_a_file_of_something_else_is_refused(arrays, tmp_path):
    np.savez(tmp_path / "scores.npz", **arrays)
    with pytest.raises(InputError, match=r"scores\.npz"):
        load_scores(tmp_path / "scores.npz")


def test_what_has_no_gradient_of_each_record_is_refused():
    model = torch.nn.Linear(2, 2)
    plain = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(InputError, match="optimizer of Opacus"):
        GradientCanaries(plain, sample_rate=0.1)
    private = DPOptimizer(plain, noise_multiplier=1.0, max_grad_norm=1.0, expected_batch_size=4)
    with pytest.raises(InputError, match="6 parameters"):
        GradientCanaries(private, sample_rate=0.1, count=7, directions="coordinates")
    with pytest.raises(InputError, match="sample_rate"):
        GradientCanaries(private, sample_rate=0.0)
    canaries = GradientCanaries(private, sample_rate=0.1)
    with pytest.raises(InputError, match="Train first"):
        canaries.scores()
    with pytest.raises(InputError, match="grad_sample_mode"):
        private.step()


def test_right_training_shows_more_the_less_noise_there_is():
    bounds = []
    for noise in (4.0, 1.0, 0.3):
        scores = watched(noise=noise, epochs=5, sample_rate=1, directions="coordinates").scores()
        bounds.append(risk.auc(scores).value)
    assert bounds == sorted(bounds)
    assert bounds[0] > 0.7
