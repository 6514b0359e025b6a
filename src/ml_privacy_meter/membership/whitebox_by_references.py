"""A network on what weights tell of a record, that has learned from reference models."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership.marks import sees_parameters, unless_empty
from ml_privacy_meter.membership.network import Outer, Part
from ml_privacy_meter.membership.networks import judged, parts_of
from ml_privacy_meter.membership.parts import Exploited, Which
from ml_privacy_meter.membership.view import View, learns

_NO_REFERENCES = (
    "`whitebox_by_references` needs records that are known to be inside some reference models, and outside others, "
    "found none. Give reference models with `inside`."
)


@sees_parameters
@unless_empty("layers", "gradients")
@learns
def whitebox_by_references(
    view: View,
    *,
    layers: Which = ("last",),
    gradients: Which = ("last",),
    exploit_outputs: bool = True,
    exploit_loss: bool = True,
    exploit_label: bool = True,
    snapshots: int = 0,
    most: int = 20_000,
    networks: int = 3,
    epochs: int = 50,
    lr: float = 1e-3,
    batch_size: int = 128,
    validation: float = 0.2,
    kernels: int = 8,
    seed: int = 0,
) -> Float[Tensor, " records"]:
    """Log-odds of membership, in nats, of a network that has learned from reference models and their training records.

    Sees: The target model's weights, the record and its true label, and the weights of reference models, with the
    records that each was trained on.

    Sees from outside: the target model's output for each record, the record's true label, and reference models with the
    records that each was trained on.

    Source: as `whitebox`. With one reference model, and records of its own as the population, it is what the authors'
    tool does: the network is trained on a model A, and judges the records of a model B.

    Args:
        most: answers of reference models that are learned from, at most. All others: see `whitebox`.

    Raises:
        InputError: no records are known that trained some reference models and not others.
    """
    exploited = Exploited(layers, gradients, exploit_outputs, exploit_loss, exploit_label)
    parts, member = _of_references(view, exploited, snapshots, most, seed)
    fitting = {"networks": networks, "epochs": epochs, "lr": lr, "batch_size": batch_size, "validation": validation}
    return judged(view, exploited, snapshots, parts, member, **fitting, kernels=kernels, seed=seed)


def _of_references(
    view: View, exploited: Exploited, snapshots: int, most: int, seed: int
) -> tuple[list[Part], Bool[Tensor, " answers"]]:
    """What reference models say of records, as many of each, and whether it was inside."""
    records, inside, hidden = view.records, view.inside, view.hidden
    if (inside is None or not inside.any()) and view.population is not None:
        records, inside, hidden = view.population, view.population_inside, None
    if inside is None or not inside.any() or inside.all():
        raise InputError(_NO_REFERENCES)
    models = range(len(view.references))[: max(2, -(-most // len(records)))]
    rng, found, member = torch.Generator().manual_seed(seed), [], []
    for j in models:
        parts = parts_of(view, exploited, snapshots, records, j)
        # in an order of their own, else answers would hang on that of the records
        order = torch.stack([_sum(part) for part in parts]).sum(0).argsort(stable=True)
        shown = order if hidden is None else order[~hidden[order, j]]
        rows = shown[torch.randperm(len(shown), generator=rng)[: most // len(models)]]
        found.append([part[rows] for part in parts])
        member.append(inside[rows, j])
    return [_joined(parts) for parts in zip(*found, strict=True)], torch.cat(member)


def _sum(part: Part) -> Float[Tensor, " records"]:
    return _sum(part.rows) + _sum(part.columns) if isinstance(part, Outer) else part.flatten(1).sum(1)


def _joined(parts: Sequence[Part]) -> Part:
    outer = [part for part in parts if isinstance(part, Outer)]
    if outer:
        return Outer(torch.cat([part.rows for part in outer]), torch.cat([part.columns for part in outer]))
    return torch.cat([part for part in parts if isinstance(part, Tensor)])
