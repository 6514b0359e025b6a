import math

import pytest
import torch
from blobs import images

from ml_privacy_meter.reconstruction import psnr, ssim
from ml_privacy_meter.reconstruction.likeness import all_psnr, unlike


def test_psnr_is_of_the_width_of_the_span():
    one, other = torch.zeros(1, 4), torch.full((1, 4), 0.1)
    assert float(psnr(one, other, (0.0, 1.0))) == pytest.approx(20, abs=1e-5)
    assert float(psnr(one, other, (-1.0, 1.0))) == pytest.approx(20 + 20 * math.log10(2), abs=1e-5)


def test_a_copy_counts_as_120_db():
    x = images(3)
    assert psnr(x, x, (0.0, 1.0)).tolist() == [120.0] * 3


def test_each_guess_is_held_against_each_record():
    guesses, records = images(3, seed=1), images(4, seed=2)
    together = all_psnr(guesses, records, (0.0, 1.0))
    for i in range(3):
        for j in range(4):
            assert together[i, j] == pytest.approx(float(psnr(guesses[[i]], records[[j]], (0.0, 1.0))))


def _ramps(channels: int) -> tuple[torch.Tensor, torch.Tensor]:
    at = torch.arange(12 * 10, dtype=torch.float64).reshape(12, 10)
    one = torch.stack([(at * (3 + c) % 17) / 17 for c in range(channels)])
    other = torch.stack([(at * (5 + c) % 13) / 13 for c in range(channels)])
    return one[None], (0.6 * one + 0.4 * other)[None]


@pytest.mark.parametrize(  # made with scikit-image 0.26.0, structural_similarity
    ("channels", "span", "expected"),
    [(1, (0.0, 1.0), 0.805850743336524), (3, (0.0, 1.0), 0.7974611815133947), (3, (-1.0, 1.0), 0.8015777301093712)],
)
def test_ssim_is_what_scikit_image_finds(channels, span, expected):
    assert float(ssim(*_ramps(channels), span)) == pytest.approx(expected, abs=1e-9)


def test_ssim_is_1_of_a_copy_and_less_of_anything_else():
    x = images(5)
    assert torch.allclose(ssim(x, x, (0.0, 1.0)), torch.ones(5, dtype=torch.float64))
    assert (ssim(x, images(5, seed=1), (0.0, 1.0)) < 0.99).all()


@pytest.mark.parametrize("shape", [(3, 64), (3, 1, 6, 8)])
def test_what_is_no_image_of_7_by_7_has_no_ssim(shape):
    assert ssim(torch.zeros(shape), torch.zeros(shape), (0.0, 1.0)) is None


def test_images_that_are_nearly_the_same_count_once():
    one = torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    near = (one[:1] + 1e-3 * torch.randn(30, 1, 8, 8, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    assert unlike(one, (0.0, 1.0), least=30.0, most=99) == 30
    assert unlike(one, (0.0, 1.0), least=30.0, most=20) == 20
    assert unlike(near, (0.0, 1.0), least=30.0, most=20) == 1
    assert unlike(torch.cat([near, one[:5]]), (0.0, 1.0), least=30.0, most=20) == 5
    assert unlike(255 * near, (0.0, 255.0), least=30.0, most=20) == 1
