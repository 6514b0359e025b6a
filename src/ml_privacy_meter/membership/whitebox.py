"""A network on what the target's weights tell of a record: gradients, activations, outputs, loss and label."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm.auto import tqdm

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership.marks import needs_known, sees_parameters, unless_empty
from ml_privacy_meter.membership.network import Outer, Part, fit_network
from ml_privacy_meter.membership.parts import Exploited, Which
from ml_privacy_meter.membership.view import View, learns
from ml_privacy_meter.types import Model, Reads, Records, Signal

_NO_REFERENCES = (
    "`whitebox_by_references` needs records that are known to be inside some reference models, and outside others, "
    "found none. Give reference models with `inside`."
)


@sees_parameters
@unless_empty("layers", "gradients")
@learns
@needs_known
def whitebox(
    view: View,
    *,
    layers: Which = ("last",),
    gradients: Which = ("last",),
    exploit_outputs: bool = True,
    exploit_loss: bool = True,
    exploit_label: bool = True,
    snapshots: int = 0,
    networks: int = 3,
    epochs: int = 50,
    lr: float = 1e-3,
    batch_size: int = 128,
    validation: float = 0.2,
    kernels: int = 8,
    seed: int = 0,
) -> Float[Tensor, " records"]:
    """Log-odds of membership, in nats, of a network that has learned from records whose membership is known.

    Sees: The target model's weights, the record and its true label, and other records with labels, half of those in
    the audit, of which it is known whether the model was trained on them.

    Sees from outside: the target model's output for each record, the record's true label, and other records, with
    labels, half of those in the audit, of which it is known whether the model was trained on them.

    Source: Nasr, Shokri and Houmansadr, Comprehensive Privacy Analysis of Deep Learning, IEEE S&P 2019; layer sizes
    after the authors' tool, ML Privacy Meter 1.0 (2020), `create_fcn.py`, `create_cnn.py`, `meminf.py`. There as here,
    a component for each part of what is read: 128 and 64 units on vectors (there 100 and 64 on activations and loss);
    on a gradient, a convolution whose kernels span a row of the weights of one input (there 100 kernels), then 64
    units (there 2024, 512 and 256); all joined in an encoder of 256, 128, 64 units and 1. A convolution over a whole
    map of activations is a dense layer. Departures: cross entropy in place of the squared error; a gradient is shown as
    its direction and the logarithm of its norm, the loss as the logit gap, outputs as log-probabilities, all
    standardised, as members differ by orders of magnitude; loss and norms also go straight to the answer; the
    gradient of a layer that is not linear is one row, and projected to 2,048 numbers where it has more; where several
    moments of a training are shown, what is read at each has components of its own (there stacked in one); epochs are
    chosen by records held back, and several networks averaged.

    Args:
        layers: whose activations are read, by name or number; "last": what the last layer with parameters is given.
        gradients: layers by whose parameters the gradient of the loss is read; "last": the last that has any.
        snapshots: earlier moments of the model that are shown beside it, at most: the last, others evenly before it.
        networks: that are fitted, each with other records held back.
        epochs: at most: a network that has not become better for 8 is finished.
        validation: share of the known records that is held back from a network, to choose its epoch by.
        kernels: of each convolution.
    """
    exploited = Exploited(layers, gradients, exploit_outputs, exploit_loss, exploit_label)
    if view.known is None or view.known_member is None:
        raise InputError("`whitebox` needs records whose membership is known, found none. See `needs_known`.")
    parts = _parts(view, exploited, snapshots, view.known)
    fitting = {"networks": networks, "epochs": epochs, "lr": lr, "batch_size": batch_size, "validation": validation}
    return _judged(view, exploited, snapshots, parts, view.known_member, **fitting, kernels=kernels, seed=seed)


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
    return _judged(view, exploited, snapshots, parts, member, **fitting, kernels=kernels, seed=seed)


def _judged(
    view: View,
    exploited: Exploited,
    snapshots: int,
    parts: Sequence[Part],
    member: Bool[Tensor, " known"],
    **fitting: Any,
) -> Float[Tensor, " records"]:
    device, plain = getattr(view.reader, "device", "cpu"), exploited.plain(len(view.moments(snapshots)))
    judge = fit_networks(parts, member, plain=plain, device=device, **fitting)
    return judge(_parts(view, exploited, snapshots, view.records))


def fit_networks(
    parts: Sequence[Part],
    member: Bool[Tensor, " records"],
    *,
    plain: int = 0,
    networks: int = 3,
    epochs: int = 50,
    seed: int = 0,
    **settings: Any,
) -> Callable[[Sequence[Part]], Tensor]:
    """A judge of parts: the mean log-odds, in nats, of networks that were fitted to the same records.

    Each holds other records back. Where the first ``plain`` of the parts could be had without the weights, a network is
    fitted to these alone, and the next learns what the others add to its answer: nothing, unless the records that were
    held back are told better with them, by two standard errors. So what is seen inside of a model does little harm
    by being much.
    """
    counts = [plain, len(parts)] if 0 < plain < len(parts) else [len(parts)]
    fitted = []
    with tqdm(total=networks * len(counts), desc="Fitting attack networks", delay=3, leave=False, disable=None) as bar:
        for k in range(networks):
            offset = None
            for count in counts:
                network = fit_network(parts[:count], member, offset=offset, epochs=epochs, seed=seed + k, **settings)
                offset = network.log_odds(parts[:count])
                fitted.append((network, count))
                bar.update()

    def judge(asked: Sequence[Part]) -> Float[Tensor, " asked"]:
        return torch.stack([network.log_odds(asked[:count]) for network, count in fitted]).sum(0) / networks

    return judge


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
        parts = _parts(view, exploited, snapshots, records, j)
        # in an order of their own, else answers would hang on that of the records
        order = torch.stack([_sum(part) for part in parts]).sum(0).argsort(stable=True)
        shown = order if hidden is None else order[~hidden[order, j]]
        rows = shown[torch.randperm(len(shown), generator=rng)[: most // len(models)]]
        found.append([part[rows] for part in parts])
        member.append(inside[rows, j])
    return [_joined(parts) for parts in zip(*found, strict=True)], torch.cat(member)


def _parts(
    view: View, exploited: Exploited, snapshots: int, records: Records, reference: int | None = None
) -> list[Part]:
    """What is read of the records: of the target, or of a reference model, which is built like it."""
    reads = [partial(_read, view.reader, model, records) for model in view.moments(snapshots, reference)]
    return exploited.of(view.target, records.labels, *reads)


def _read(reader: Reads, model: Model, records: Records, signal: Signal) -> Tensor:
    return reader.signal(signal, model, records)


def _sum(part: Part) -> Float[Tensor, " records"]:
    return _sum(part.rows) + _sum(part.columns) if isinstance(part, Outer) else part.flatten(1).sum(1)


def _joined(parts: Sequence[Part]) -> Part:
    outer = [part for part in parts if isinstance(part, Outer)]
    if outer:
        return Outer(torch.cat([part.rows for part in outer]), torch.cat([part.columns for part in outer]))
    return torch.cat([part for part in parts if isinstance(part, Tensor)])
