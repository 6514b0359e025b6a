from functools import partial

import pytest
import torch
from blobs import images, seen, smooth, trained
from torch import nn

from ml_privacy_meter.reconstruction import ReconstructionGame, View, cosine, dlg
from ml_privacy_meter.reconstruction.gradients import angle, squared
from ml_privacy_meter.reconstruction.likeness import total_variation

quick = partial(dlg, starts=4, iterations=200)


@pytest.mark.parametrize("count", [1, 2])
def test_dlg_recovers_records_from_a_gradient(count):
    x, y = images(count, seed=count), torch.tensor([3, 1][:count])
    match = ReconstructionGame(seen(smooth(), x, y), x).play(quick)
    assert (match.psnr > 40).all()


@pytest.mark.parametrize(("steps", "batch_size", "labels"), [(3, 2, [0, 2]), (2, 1, [0, 2]), (2, 1, [2, 0])])
def test_dlg_recovers_records_from_an_update_over_several_steps(steps, batch_size, labels):
    model, x, y = smooth(), images(2, seed=5), torch.tensor(labels)
    change = trained(model, x, y, lr=0.5, steps=steps, batch_size=batch_size)
    given = {"lr": 0.5, "local_steps": steps, "batch_size": batch_size}
    match = ReconstructionGame(View(model, change, 2, images(200, seed=99), **given), x).play(quick)
    assert (match.psnr > 30).all()
    wrong = View(model, change, 2, images(200, seed=99), lr=0.5 * steps)  # as if it had been one step
    assert (ReconstructionGame(wrong, x).play(quick).psnr < match.psnr).all()


def test_dlg_goes_through_batch_norm_without_its_statistics():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.Tanh(), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(512, 4))
    x, y = images(1, seed=4), torch.tensor([1])
    match = ReconstructionGame(seen(model, x, y), x).play(quick)
    assert (match.psnr > 30).all()


def test_cosine_recovers_a_record_and_stays_in_its_span():
    x, y = images(1, seed=7), torch.tensor([2])
    view = seen(smooth(), x, y)
    found = cosine(view, iterations=300)
    assert found.min() >= 0
    assert found.max() <= 1
    assert (ReconstructionGame(view, x).play(partial(cosine, iterations=300)).psnr > 25).all()


@pytest.mark.parametrize("attack", [quick, partial(cosine, iterations=40)])
def test_the_same_view_gives_the_same_records(attack):
    view = seen(smooth(), images(2), torch.tensor([0, 1]))
    assert torch.equal(attack(view), attack(view))


def test_which_start_is_taken_hangs_on_the_gradient(monkeypatch):
    from ml_privacy_meter.reconstruction import gradients

    view, lefts = seen(smooth(), images(1), torch.tensor([0])), iter([0.5, 0.2, 0.9])
    draws = [torch.full((1, 1, 8, 8), float(k), dtype=torch.float64) for k in range(3)]
    left = dict.fromkeys(range(3))

    def fake(distance, x, iterations):
        k = int(x[0, 0, 0, 0])
        left[k] = next(lefts) if left[k] is None else left[k]
        return x, left[k]

    numbers = iter(draws)
    monkeypatch.setattr(gradients, "_noise", lambda view, draw: next(numbers))
    monkeypatch.setattr(gradients, "_lbfgs", fake)
    assert torch.equal(dlg(view, starts=3, finalists=2), draws[1])


def test_distances_are_shares():
    given = {"a": torch.tensor([3.0, 4.0]), "b": torch.tensor([0.01])}
    twice, other = ({name: times * value for name, value in given.items()} for times in (2, -1))
    assert float(squared(twice, given)) == pytest.approx(1)
    assert float(angle(twice, given)) == pytest.approx(0, abs=1e-6)
    assert float(angle(other, given)) == pytest.approx(2)


def test_total_variation_is_of_neighbours():
    x = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])
    assert float(total_variation(x)) == 1.0
    assert float(total_variation(torch.rand(3, 9))) == 0.0
