"""What hidden neurons give with each value."""

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.attribute.game import View


def neurons(view: View, *, count: int = 10) -> Float[Tensor, "records candidates"]:
    """How far the neurons that tell a record's own value from others, among records of its class, are in its state.

    Sees: a hidden layer of the model; the adversary's own records with their secret, and what the layer gives for them.

    Source: Jayaraman and Evans, Are Attribute Inference Attacks Just Imputation?, CCS 2022 (white-box). Departures: a
    neuron is judged by how it goes with a value being the record's own, all values filled in, less its mean over the
    values; for each class apart; and in units of its spread.

    Args:
        count: how many neurons are looked at, the best for each class.
    """
    whole(1, count=count)
    if view.auxiliary.neurons is None or view.records.neurons is None:
        raise InputError("`neurons` looks inside the model, which is not seen. Give the module itself.")
    seen, class_of = view.auxiliary.neurons(None), [_classes(known.label) for known in (view.auxiliary, view.records)]
    seen = seen - seen.mean(1, keepdim=True)
    own = torch.nn.functional.one_hot(view.secret[: len(seen)], len(view.candidates)).double()
    class_of[0] = class_of[0][: len(seen)]
    weight = {
        one: _weight(seen[class_of[0] == one], own[class_of[0] == one], count) for one in set(class_of[1].tolist())
    }
    chosen = torch.stack([one != 0 for one in weight.values()]).any(0).nonzero()[:, 0]
    given = view.records.neurons(chosen.tolist())
    given = given - given.mean(1, keepdim=True)
    each = torch.stack([weight[int(one)][chosen] for one in class_of[1]])
    return torch.einsum("rcn,rn->rc", given, each)


def _classes(label: Tensor) -> Tensor:
    """Of which class each record is; quantities are all of one."""
    return label if label.dtype == torch.int64 else torch.zeros(len(label), dtype=torch.int64)


def _weight(seen: Tensor, own: Tensor, count: int) -> Float[Tensor, " neurons"]:
    """What each neuron counts for in the mean: nothing but for the best; its sign and the inverse of its spread."""
    weight = torch.zeros(seen.shape[2], dtype=torch.float64)
    spread = seen.square().sum((0, 1)).sqrt() if len(seen) else weight
    alive = spread > 0
    if alive.any():
        goes = torch.einsum("rcn,rc->n", seen, own - own.mean(0)) / spread.where(alive, 1.0)
        best = goes.abs().topk(min(count, int(alive.sum()))).indices
        weight[best] = goes[best].sign() / spread[best] * len(seen) ** 0.5 / len(best)
    return weight
