"""The unknown record, as models that were trained on other records in its place teach to read it."""

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.reconstruction.informed import Guesses, InformedView
from ml_privacy_meter.reconstruction.view import DoesNotApplyError

PENALTIES = tuple(10.0**power for power in range(-6, 2))


def learned(view: InformedView) -> Guesses:
    """The record that a regression reads off the weights, learned from models with other records in its place.

    The adversary trains many models as the released ones were trained, each on the known records and one of its own,
    and learns by ridge regression what weights say of that record: first its class, then, among models of this class,
    its features. How strong the ridge is, is chosen by leaving out one model after another.

    Sees: the weights of a model of any kind, all training records but one, how it was trained and from which initial
    weights, and other records of the same kind.

    Source: Balle, Cherubin and Hayes, Reconstructing Training Data with Informed Adversaries, IEEE S&P 2022: there a
    network is trained on tens of thousands of models; ridge regressions by class are put in its place here, as they
    learn from hundreds.

    Raises:
        DoesNotApplyError: there are no such models.
    """
    shadows = view.shadows
    if shadows is None:
        raise DoesNotApplyError("This takes models with other records in place of the unknown one: say how to train.")
    if len(shadows.weights) < 10:
        raise InputError(f"At least 10 models are needed to learn from, found {len(shadows.weights)}.")
    draw = torch.Generator().manual_seed(view.seed)
    held = shadows.weights.double()
    held = held + view.noise * torch.randn(held.shape, generator=draw, dtype=held.dtype)  # as the released ones have it
    middle, spread = held.mean(0), held.std(0)
    used = spread > 1e-9 * spread.max()
    own, asked = ((of[:, used] - middle[used]) / spread[used] for of in (held, view.weights.double()))
    records = shadows.x.double().flatten(1)
    if shadows.y.is_floating_point():
        found = _ridge(own, torch.cat([records, shadows.y.double()[:, None]], 1), asked)
        return found[:, :-1].reshape(-1, *view.shape), found[:, -1].to(view.y.dtype)
    classes = torch.tensor(sorted({*shadows.y.tolist()}))
    of_class = (shadows.y[:, None] == classes).double()
    labels = classes[_ridge(own, of_class, asked).argmax(1)]
    guesses = torch.empty(len(asked), records.shape[1], dtype=torch.float64)
    for label in {*labels.tolist()}:
        alike, rows = shadows.y == label, labels == label
        alike = alike if alike.sum() > 2 else torch.ones_like(alike)
        guesses[rows] = _ridge(own[alike], records[alike], asked[rows])
    return guesses.reshape(-1, *view.shape), labels


def _ridge(
    x: Float[Tensor, "models inputs"], y: Float[Tensor, "models outputs"], asked: Float[Tensor, "asked inputs"]
) -> Float[Tensor, "asked outputs"]:
    """What a ridge regression answers, its penalty chosen by the error on models that were left out."""
    middle, mean = x.mean(0), y.mean(0)
    kernel, cross = ((of - middle) @ (x - middle).T / x.shape[1] for of in (x, asked))
    values, vectors = torch.linalg.eigh(kernel)
    turned, best = vectors.T @ (y - mean), (float("inf"), torch.zeros_like(y))
    for penalty in PENALTIES:
        kept = values.clamp(min=0) / (values.clamp(min=0) + penalty)
        left = 1 - (vectors.square() @ kept + 1 / len(x)).clamp(max=1 - 1e-6)
        error = float((((y - mean) - vectors @ (kept[:, None] * turned)) / left[:, None]).square().mean())
        if error < best[0]:
            best = error, vectors @ (turned / (values.clamp(min=0) + penalty)[:, None])
    return mean + cross @ best[1]
