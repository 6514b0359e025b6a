"""The unknown record, read off the optimum of a generalised linear model."""

import torch

from ml_privacy_meter.reconstruction.informed import Guesses, InformedView
from ml_privacy_meter.reconstruction.view import DoesNotApplyError


def closed_form(view: InformedView) -> Guesses:
    """The record that must be missing, since at its optimum all gradients of a linear model add up to nothing.

    What the known records and the penalty leave of the gradient is the missing record's own: its residual times the
    record, and, at the intercept, the residual alone. Their ratio is the record: exactly, where training went on to its
    optimum and nothing was added to the weights. The record's class is the one whose residual is negative.

    Sees: the weights of a linear, logistic or softmax model with intercept, how it was regularised, and all training
    records but one.

    Source: Balle, Cherubin and Hayes, Reconstructing Training Data with Informed Adversaries, IEEE S&P 2022, section
    III: generalised linear models.

    Raises:
        DoesNotApplyError: the model is not linear, or what its training made least is not known.
    """
    linear = view.linear
    if linear is None:
        raise DoesNotApplyError(
            "This takes a linear model of which it is known what its training made least, and here it is not."
        )
    records, labels = [], []
    for released in view.weights:
        weights = linear.split(released)
        gradient = linear.missing(weights, view.x, view.y)
        residual = gradient[:, -1]
        row = int(residual.argmin() if linear.classes else residual.abs().argmax())
        record = gradient[row, :-1] / torch.where(residual[row] == 0, 1e-300, residual[row])
        records.append(view.range.cut(record.reshape(view.shape)))
        if not linear.classes:
            held = torch.cat([records[-1].flatten(), record.new_ones(1)])
            labels.append(float(weights[row] @ held - residual[row]))
        else:
            labels.append(row if linear.rows > 1 else int(residual[0] < 0))
    return torch.stack(records), torch.tensor(labels, dtype=view.y.dtype)
