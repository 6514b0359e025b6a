"""A record for each class of which the model is as sure as can be."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional
from tqdm.auto import tqdm

from ml_privacy_meter._checks import one_of
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.reconstruction.classes import ClassView
from ml_privacy_meter.reconstruction.likeness import total_variation


def invert_classes(
    view: ClassView,
    *,
    steps: int = 300,
    restarts: int = 3,
    step: float = 0.03,
    variation: float = 0.1,
    l2: float = 0.01,
    start: str = "noise",
    generator: Callable[[Tensor], Tensor] | None = None,
    latent: int = 100,
) -> Tensor:
    """A record for each class of which the model is surest, found by descent on its loss, smooth and small.

    Of several starts the one with the smallest loss is taken: whether it is like the class, the model cannot tell.

    Sees: the model, with gradients, and public records of the same kind.

    Source: Fredrikson, Jha and Ristenpart, Model Inversion Attacks that Exploit Confidence Information, CCS 2015; with
    Adam, all classes at once. With a generator, Zhang et al., The Secret Revealer: Generative Model-Inversion Attacks
    Against Deep Neural Networks, CVPR 2020, without their critic.

    Args:
        steps: of Adam.
        restarts: how many starts.
        step: of Adam, as a share of the range; with a generator, of its own numbers.
        variation: how much differences of neighbours count, for images.
        l2: how much the mean squared feature counts, as a share of the range; of a generator, its own numbers.
        start: "noise", or "mean": near the mean of the public records.
        generator: numbers (records, latent) -> records, as of a network that learned on public records what records
            look like.
        latent: how many numbers it takes for a record.
    """
    whole(1, steps=steps, restarts=restarts, latent=latent)
    one_of(start, ("noise", "mean"), "start")
    draw = torch.Generator().manual_seed(view.seed)
    labels = view.classes.repeat(restarts)
    numbers = _start(view, len(labels), start, draw) if generator is None else _normal((len(labels), latent), draw)
    numbers = numbers.requires_grad_()

    def records(numbers: Tensor) -> Tensor:
        return view.range.low + view.range.width * numbers if generator is None else generator(numbers)

    def losses(numbers: Tensor) -> Tensor:
        x = records(numbers)
        apart = torch.func.vmap(total_variation)(x[:, None] / view.range.width) if x.ndim > 2 else 0.0
        small = numbers.flatten(1).square().mean(1)
        answers = view.model(x)
        return functional.cross_entropy(answers, labels.to(answers.device), reduction="none").to(small) + (
            variation * apart + l2 * small
        )

    optimizer = torch.optim.Adam([numbers], lr=step)
    for _ in tqdm(range(steps), desc="Inverting classes", delay=2, leave=False, disable=None):
        (numbers.grad,) = torch.autograd.grad(losses(numbers).sum(), numbers)
        optimizer.step()
        if generator is None:
            with torch.no_grad():
                numbers.clamp_(0, 1)
    with torch.no_grad():
        best = losses(numbers).reshape(restarts, -1).argmin(0)
        found = records(numbers).double().reshape(restarts, len(view.classes), *view.shape)
    return found[best, torch.arange(len(best))]


def _start(view: ClassView, count: int, start: str, draw: torch.Generator) -> Tensor:
    """Features as shares of their range."""
    noise = torch.rand((count, *view.shape), generator=draw)
    if start == "noise":
        return noise
    mean = ((view.public.double().mean(0) - view.range.low) / view.range.width).float()
    return (mean + 0.1 * (noise - 0.5)).clamp(0, 1)


def _normal(shape: tuple[int, ...], draw: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=draw)
