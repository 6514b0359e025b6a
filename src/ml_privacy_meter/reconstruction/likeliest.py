"""The unknown record that best explains the weights of a linear model, and the noise in them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._numbers import whole
from ml_privacy_meter.reconstruction.informed import Guesses, InformedView, Linear, with_one
from ml_privacy_meter.reconstruction.view import DoesNotApplyError

MOST = 3_000  # weights, beyond which their curvature is too large a matrix
ENOUGH = 5_000  # records, by which the curvature is known well enough
NOISE = 1e-7  # as a share of the largest weight: what is taken to be there where no noise was added


def likeliest(view: InformedView, *, steps: int = 8) -> Guesses:
    """The record that best explains the weights and the noise in them, by the curvature of the training's loss.

    `closed_form` asks for what the gradient lacks, in which noise is magnified where the loss is steep. Here what is
    lacked is carried back to the weights by the inverse of the curvature, where the noise is even, and the record with
    the largest posterior probability is taken, of all classes; beforehand, the features of a class are taken to be
    independent and normal, as the known records have them. The optimum is found by Gauss and Newton.

    Sees: what `closed_form` sees, and how much noise was added.

    Source: the adversary of Balle, Cherubin and Hayes, Reconstructing Training Data with Informed Adversaries, IEEE
    S&P 2022; the likelihood under noise is written here.

    Args:
        steps: of Gauss and Newton, with each class.

    Raises:
        DoesNotApplyError: the model is no classifier that is linear, its optimum is not known, or it is too large.
    """
    whole(1, steps=steps)
    linear = view.linear
    if linear is None or not linear.classes:
        raise DoesNotApplyError(
            "This takes a linear classifier of which it is known what its training made least, and here it is not."
        )
    if view.weights.shape[1] > MOST:
        raise DoesNotApplyError(f"This takes at most {MOST:,} weights, found {view.weights.shape[1]:,}.")
    found = [_one(view, linear, linear.split(weights), steps) for weights in view.weights]
    return torch.stack([x for x, _ in found]), torch.tensor([y for _, y in found])


@dataclass(frozen=True)
class _Asked:
    """What is asked of one released model.

    Args:
        even: the inverse curvature, as a share of the noise: by it a gradient becomes weights with even noise.
        lacked: what the gradient lacks, carried so.
        middle, spread: of the known records of each class, and of all.
    """

    view: InformedView
    linear: Linear
    weights: Float[Tensor, "rows inputs"]
    even: Float[Tensor, "weights rows inputs"]
    lacked: Float[Tensor, " weights"]
    middle: dict[int, Float[Tensor, " features"]]
    spread: Float[Tensor, " features"]

    def better(self, guess: Tensor, label: int, steps: int) -> Tensor:
        """The guess after so many steps of Gauss and Newton."""
        for _ in range(steps):
            off, slope = self.misfit(guess, label)
            pull = slope.T @ slope + torch.diag(self.spread**-2)
            wanted = slope.T @ off + (guess - self.middle[label]) / self.spread**2
            guess = guess - torch.linalg.solve(pull, wanted)
            guess = self.view.range.cut(guess.reshape(self.view.shape)).flatten()
        return guess

    def unlikely(self, guess: Tensor, label: int) -> float:
        """Minus twice the logarithm of the posterior probability, up to a constant."""
        off, _ = self.misfit(guess, label)
        return float(off @ off + ((guess - self.middle[label]) / self.spread).square().sum())

    def misfit(self, x: Tensor, label: int) -> tuple[Float[Tensor, " weights"], Float[Tensor, "weights features"]]:
        """By how much this record's gradient differs from what is lacked, and how that goes with the record."""
        one = torch.cat([x, x.new_ones(1)])
        answer = self.linear.probabilities(self.weights, one[None])[0]
        residual = answer - self.linear.wanted(torch.tensor([label]))[0]
        moved = _spread(answer, self.linear.rows) @ self.weights[:, :-1]
        carried = (self.even.flatten(0, 1) @ one).reshape(len(self.even), -1)
        return carried @ residual - self.lacked, carried @ moved + torch.einsum("wri,r->wi", self.even, residual)[
            :, :-1
        ]


def _one(view: InformedView, linear: Linear, weights: Tensor, steps: int) -> tuple[Tensor, int]:
    x = view.x.double().flatten(1)
    noise = max(view.noise, NOISE * float(weights.abs().max()))
    even = _inverse(linear, weights, with_one(view.x)) / noise
    lacked = even @ linear.missing(weights, view.x, view.y).flatten()
    middle = {label: x[view.y == label].mean(0) for label in sorted({*view.y.tolist()})}
    spread = x.std(0).clamp(min=1e-3 * view.range.width.mean())
    asked = _Asked(view, linear, weights, even.reshape(-1, *weights.shape), lacked, middle, spread)
    ended = [(asked.better(x, label, steps), label) for label, x in middle.items()]
    guess, label = min(ended, key=lambda one: asked.unlikely(*one))
    return guess.reshape(view.shape), label


def _spread(answer: Float[Tensor, "... rows"], rows: int) -> Float[Tensor, "... rows rows"]:
    """How the answers go with the outputs before softmax, or before the sigmoid of one row."""
    if rows == 1:
        return (answer * (1 - answer))[..., None]
    return torch.diag_embed(answer) - answer[..., :, None] * answer[..., None, :]


def _inverse(linear: Linear, weights: Tensor, x: Float[Tensor, "records inputs"]) -> Float[Tensor, "weights weights"]:
    """The inverse of the curvature of what the training made least, by the known records, or by some thousand."""
    rows, inputs = weights.shape
    some = x[:: -(-len(x) // ENOUGH)]
    spread = _spread(linear.probabilities(weights, some), rows) * (len(x) / len(some))
    curved = torch.empty(rows, inputs, rows, inputs, dtype=torch.float64)
    for one in range(rows):
        for other in range(one + 1):
            curved[one, :, other] = curved[other, :, one] = (some * spread[:, one, other, None]).T @ some
    flat = curved.reshape(rows * inputs, -1) + torch.diag(linear.penalty(weights).flatten())
    least = 1e-12 * flat.diagonal().max()  # intercepts of softmax can move together, and nothing holds them
    inverse: Tensor = torch.linalg.inv(flat + least * torch.eye(len(flat), dtype=flat.dtype)).contiguous()
    return inverse
