"""The unknown record, found by training again with candidates in its place."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._numbers import whole
from ml_privacy_meter.reconstruction.closed_form import closed_form
from ml_privacy_meter.reconstruction.informed import Guesses, InformedView, Labels, Refit
from ml_privacy_meter.reconstruction.view import DoesNotApplyError

DAMPED = (0.0, 1e-6, 1e-4, 1e-2, 1.0, 100.0)  # by how much a step is shortened, as a share of its curvature


def refitted(view: InformedView, *, steps: int = 15, starts: int = 2, nudge: float = 1e-3) -> Guesses:
    """The record with which training again gives weights nearest to the released ones.

    It begins with the mean of each class (and where the model is linear, with what `closed_form` gives), and goes on
    where one step leads nearest; how the weights go with each feature is found by nudging it and training again, and
    Gauss and Newton's steps follow that.

    Sees: the weights of a model of any kind, all training records but one, and how it was trained, so that the same
    records give the same model.

    Source: Nicolae et al., Adversarial Robustness Toolbox, 2018: `DatabaseReconstruction`, which descends on the sum of
    squared differences by L-BFGS for each class; steps of Gauss and Newton are put in its place here, after Levenberg,
    A Method for the Solution of Certain Non-Linear Problems in Least Squares, 1944.

    Args:
        steps: at most so many, each of which trains about as many models as there are features.
        starts: how many it goes on with.
        nudge: of a feature, as a share of its range's width.

    Raises:
        DoesNotApplyError: it is not known how the model was trained.
    """
    whole(1, steps=steps, starts=starts)
    refit = view.refit
    if refit is None:
        raise DoesNotApplyError("This trains again as the model was trained, and here it is not known how.")
    found = []
    for released in view.weights:
        one = replace(view, weights=released[None])
        tried = [_descended(one, refit, *start, 1, nudge) for start in _starts(one)]
        tried.sort(key=lambda end: end[0])
        ended = [_descended(one, refit, x, label, steps, nudge) for _, x, label in tried[:starts]]
        found.append(min(ended, key=lambda end: end[0]))
    return torch.stack([x for _, x, _ in found]), torch.stack([y for _, _, y in found])


def _starts(view: InformedView) -> list[tuple[Tensor, Tensor]]:
    """The mean of the known records of each class, or of all; where it is known, what the optimum gives."""
    x = view.x.double()
    own = [] if view.linear is None else [(part[0][0], part[1][0]) for part in [closed_form(view)]]
    if view.y.is_floating_point():
        return [*own, (x.mean(0), view.y.mean())]
    return [*own, *((x[view.y == label].mean(0), label) for label in map(torch.tensor, sorted({*view.y.tolist()})))]


def _descended(
    view: InformedView, refit: Refit, x: Tensor, label: Tensor, steps: int, nudge: float
) -> tuple[float, Tensor, Tensor]:
    """How far the weights still lie from the released ones, and the record and label that lead there."""
    released, width = view.weights[0], view.range.width.expand(view.shape).flatten()
    numeric = label.is_floating_point()  # a quantity is unknown as a feature is, a class is not
    if numeric:
        width = torch.cat([width, view.y.std()[None].clamp(min=1e-9)])

    def weights(points: Float[Tensor, "points unknowns"]) -> Float[Tensor, "points weights"]:
        own: Labels = points[:, -1] if numeric else label.expand(len(points))
        return refit(points[:, : len(x.flatten())].reshape(-1, *view.shape), own)

    at = torch.cat([x.flatten(), label[None]]) if numeric else x.flatten()
    off = weights(at[None])[0] - released
    for _ in range(steps):
        nudged = at + torch.diag(nudge * width)
        slope = ((weights(nudged) - released - off) / nudge).T  # by widths, so that all features are alike
        curved, down = slope.T @ slope, slope.T @ off
        held = curved.diagonal().mean().clamp(min=1e-300) * torch.eye(len(at), dtype=curved.dtype)
        tried = torch.stack([at - width * torch.linalg.lstsq(curved + by * held, down).solution for by in DAMPED])
        tried[:, : x.numel()] = view.range.cut(tried[:, : x.numel()].reshape(-1, *view.shape)).flatten(1)
        left = weights(tried) - released
        best = int(left.square().sum(1).argmin())
        before, after = float(off @ off), float(left[best].square().sum())
        if not after < before:
            break
        at, off = tried[best], left[best]
        if not 1e-24 < after < 0.9 * before:
            break
    return float(off @ off), at[: x.numel()].reshape(view.shape), at[-1] if numeric else label
