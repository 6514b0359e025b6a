"""Which labels stand in a client's batch, read off the gradient of the last layer."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.optimize import nnls
from torch import Tensor, nn

from ml_privacy_meter.reconstruction.view import DoesNotApplyError, View

TRIES = 100  # orders that are drawn until one is new


def inferred_labels(view: View) -> Int[Tensor, " count"]:
    """The labels of the client's records, rising: of one record without error, of more as nearly as can be told.

    The gradient of the mean cross-entropy by the last bias is the mean of probabilities less the share of each class.
    For one record its only negative entry is the label. For more, the probabilities are not known: of each class they
    are taken as the model's on public records, weighed by how much it takes them for that class, and the counts are
    those that explain the gradient best. A class with a negative entry is in the batch for sure. Over several local
    steps the gradients are averaged as if the model stood still.

    Source: Zhao, Mopuri and Bilen, iDLG: Improved Deep Leakage from Gradients, 2020 (one record); in the spirit of
    Wainakh et al., User-Level Label Leakage from Gradients in Federated Learning, PETS 2022, which estimates the counts
    step by step.

    Raises:
        DoesNotApplyError: the model's last layer is not linear, or has no bias.
    """
    return label_guesses(view)[0]


def label_guesses(view: View) -> list[Int[Tensor, " count"]]:
    """`inferred_labels`, then what comes of it where one label is another, those first that explain the gradient best.

    One guess alone where there is no doubt: of one record, or where the view holds the labels.
    """
    if view.labels is not None:
        return [view.labels]
    bias = (view.gradients()[_last_bias(view)] / view.local_steps).cpu()
    classes = torch.arange(len(bias))
    if view.count == 1:
        return [bias.argmin()[None]]
    equations = torch.eye(len(bias), dtype=torch.float64) - _mean_answers(view).T
    least = (bias < -1e-9).double()
    if least.sum() > view.count:  # of noise: no batch has so many classes
        least = torch.zeros_like(least)
    base = _counts(equations, bias, least, view.count)
    others = [
        base - (classes == gone).long() + (classes == come).long()
        for gone in classes[base > least]
        for come in classes[classes != gone]
    ]
    others.sort(key=lambda counts: float((equations @ counts.double() + view.count * bias).norm()))
    return [torch.repeat_interleave(classes, counts) for counts in (base, *others)]


def arranged(
    view: View, guesses: Sequence[Int[Tensor, " count"]], draw: torch.Generator
) -> list[Int[Tensor, " count"]]:
    """The labels that each start takes, in an order of their own where a step takes fewer records than there are.

    Which labels fall into which step's batch no gradient tells. So starts take orders at random, none twice as long as
    there are others. Labels that the adversary knows it knows in the client's order; every second start doubts it.
    """
    size = view.batch_size or view.count
    if size >= view.count:
        return [*guesses]
    made, seen = [], set()
    for start, guess in enumerate(guesses):
        taken = guess
        if view.labels is None or start % 2:
            drawn = (guess[torch.randperm(view.count, generator=draw).to(guess.device)] for _ in range(TRIES))
            taken = next(order for k, order in enumerate(drawn, 1) if k == TRIES or _steps_of(order, size) not in seen)
        seen.add(_steps_of(taken, size))
        made.append(taken)
    return made


def _steps_of(labels: Int[Tensor, " count"], size: int) -> tuple[tuple[int, ...], ...]:
    """The labels of each step's batch; within one their order says nothing."""
    return tuple(tuple(sorted(part.tolist())) for part in torch.split(labels, size))


def mean_answer(view: View) -> Float[Tensor, " classes"]:
    """The mean probabilities that the model gives to public records."""
    with torch.no_grad():
        mean: Tensor = view.module()(view.public.double()).softmax(1).mean(0).cpu()
    return mean


def _counts(
    equations: Float[Tensor, "classes classes"],
    bias: Float[Tensor, " classes"],
    least: Float[Tensor, " classes"],
    count: int,
) -> Int[Tensor, " classes"]:
    """How many records of each class explain the gradient by the last bias best; they add up to the batch."""
    wanted = torch.cat([-count * bias - equations @ least, torch.tensor([count - least.sum()])])
    rows = torch.cat([equations, torch.ones(1, len(bias), dtype=torch.float64)])
    more, _ = nnls(rows.numpy(), wanted.numpy())
    found = least.numpy() + more
    found = found * count / max(found.sum(), 1e-12)
    whole = np.floor(found + 1e-9)
    order = np.argsort(-(found - whole), kind="stable")
    whole[order[: round(count - whole.sum())]] += 1  # the largest remainders
    return torch.from_numpy(whole).long()


@torch.no_grad()
def _mean_answers(view: View) -> Float[Tensor, "classes classes"]:
    """Of each class: the mean probabilities of public records, weighed by their probability of this class."""
    answers = view.module()(view.public.double()).softmax(1).cpu()
    mean: Tensor = (answers.T @ answers) / answers.sum(0)[:, None]
    return mean


@torch.no_grad()
def _last_bias(view: View) -> str:
    """The name of the bias that is added last."""
    module = view.module()
    given: dict[str, Tensor] = {}
    layers = [(name, part) for name, part in module.named_modules() if isinstance(part, nn.Linear)]
    for name, part in layers:
        part.register_forward_hook(lambda _, __, out, name=name: given.__setitem__(name, out))
    out = module(view.public[:2].double())
    for name, part in layers:
        where = f"{name}.bias" if name else "bias"
        if part.bias is not None and name in given and given[name] is out and where in view.names:
            return where
    raise DoesNotApplyError(
        "Labels are inferred from the bias of a last linear layer, and this model's logits do not come from one. "
        "Play with `known_labels=True`, which assumes an adversary who has them."
    )
