"""Bits of a secret as the labels of made-up inputs: whoever may ask the model reads them from its answers alone."""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ml_privacy_meter.encoding.bits import Bits


def made_up(count: int, shape: Sequence[int], *, seed: int = 0) -> Float[Tensor, "inputs *features"]:
    """Inputs of uniform noise in [0, 1]: the trainer and the reader make the same from the seed."""
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed))


def labels_of(bits: Bits, classes: int) -> Int[Tensor, " inputs"]:
    """Labels that carry the bits, as many whole ones each as the classes hold; the last is filled with zeros.

    Source: Song, Ristenpart and Shmatikov, Machine Learning Models that Remember Too Much, CCS 2017, section 5.
    """
    each = int(math.log2(classes))
    filled = torch.cat([bits, torch.zeros(-len(bits) % each, dtype=torch.bool)])
    return (filled.view(-1, each) * 2 ** torch.arange(each - 1, -1, -1)).sum(1)


def read_answers(model: Callable[[Tensor], Tensor], inputs: Float[Tensor, "inputs *features"], count: int) -> Bits:
    """The first ``count`` bits in what the model takes the made-up inputs for."""
    with torch.no_grad():
        answers = model(inputs)
    each = int(math.log2(answers.shape[1]))
    found = answers[:, : 2**each].argmax(1).cpu()
    return (found[:, None] >> torch.arange(each - 1, -1, -1) & 1).bool().flatten()[:count]
