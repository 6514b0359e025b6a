"""How like two images are, by PSNR and SSIM; how smooth one is."""

import math

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

MOST = 120.0  # dB: beyond it, images differ by less than float32 holds; an exact copy counts as so much
WINDOW = 7


def psnr(
    one: Float[Tensor, "records ..."], other: Float[Tensor, "records ..."], span: tuple[float, float]
) -> Float[Tensor, " records"]:
    """The peak signal-to-noise ratio of each pair, in dB, at most 120; the peak is the width of the span."""
    error = (one.double() - other.double()).pow(2).flatten(1).mean(1) / (span[1] - span[0]) ** 2
    return (-10 * error.clamp(min=1e-30).log10()).clamp(max=MOST)


def ssim(
    one: Float[Tensor, "records ..."], other: Float[Tensor, "records ..."], span: tuple[float, float]
) -> Float[Tensor, " records"] | None:
    """The structural similarity of each pair, in [-1, 1], mean over channels; None for what is no image of 7 x 7.

    Windows of 7 x 7 with even weights, sample covariances, no padding: the default of scikit-image.

    Source: Wang, Bovik, Sheikh and Simoncelli, Image Quality Assessment: From Error Visibility to Structural
    Similarity, IEEE TIP 2004.
    """
    if one.ndim not in (3, 4) or min(one.shape[-2:]) < WINDOW:
        return None
    one, other = (x.double().reshape(len(x), -1, *x.shape[-2:]) for x in (one, other))

    def mean(x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, WINDOW, stride=1)

    unbiased = WINDOW**2 / (WINDOW**2 - 1)
    mu1, mu2 = mean(one), mean(other)
    var1, var2 = (unbiased * (mean(x * x) - mu * mu) for x, mu in ((one, mu1), (other, mu2)))
    both = unbiased * (mean(one * other) - mu1 * mu2)
    c1, c2 = ((share * (span[1] - span[0])) ** 2 for share in (0.01, 0.03))
    top = (2 * mu1 * mu2 + c1) * (2 * both + c2)
    return (top / ((mu1**2 + mu2**2 + c1) * (var1 + var2 + c2))).flatten(1).mean(1)


def total_variation(x: Float[Tensor, "count ..."]) -> Tensor:
    """The mean absolute difference of neighbours in the last two axes; 0 for records that are no images."""
    if x.ndim < 3:
        return x.new_zeros(())
    return x.diff(dim=-1).abs().mean() + x.diff(dim=-2).abs().mean()


def unlike(images: Float[Tensor, "records ..."], span: tuple[float, float], *, least: float, most: int) -> int:
    """How many images there are of which no two are alike by more than ``least`` dB, counted up to ``most``."""
    count, rest = 0, images
    while count < most and len(rest):
        count += 1
        rest = rest[psnr(rest, rest[:1].expand_as(rest), span) <= least]
    return count


def all_psnr(
    guesses: Float[Tensor, "guesses ..."], records: Float[Tensor, "records ..."], span: tuple[float, float]
) -> Float[Tensor, "guesses records"]:
    """The peak signal-to-noise ratio of each guess and each record, in dB, at most 120."""
    one, other = guesses.double().flatten(1), records.double().flatten(1)
    rows = max(1, 20_000_000 // max(1, other.numel()))  # a block of differences fits in 160 MB
    error = (
        torch.cat([(part[:, None] - other).pow(2).mean(2) for part in torch.split(one, rows)])
        if len(one)
        else one @ other.T
    )
    error = error / (span[1] - span[0]) ** 2
    return (-10 * error.clamp(min=math.pow(10, -MOST / 10)).log10()).clamp(max=MOST)
