"""Networks that are fitted to what was read of records whose membership is known, and judge others."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm.auto import tqdm

from ml_privacy_meter.membership.network import Part, fit_network
from ml_privacy_meter.membership.parts import Exploited
from ml_privacy_meter.membership.view import View
from ml_privacy_meter.types import Model, Reads, Records, Signal


def judged(
    view: View,
    exploited: Exploited,
    snapshots: int,
    parts: Sequence[Part],
    member: Bool[Tensor, " known"],
    **fitting: Any,
) -> Float[Tensor, " records"]:
    """What networks say of the view's records that were fitted to these parts: log-odds of membership, in nats."""
    device, plain = getattr(view.reader, "device", "cpu"), exploited.plain(len(view.moments(snapshots)))
    judge = fit_networks(parts, member, plain=plain, device=device, **fitting)
    return judge(parts_of(view, exploited, snapshots, view.records))


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


def parts_of(
    view: View, exploited: Exploited, snapshots: int, records: Records, reference: int | None = None
) -> list[Part]:
    """What is read of the records: of the target, or of a reference model, which is built like it."""
    reads = [partial(_read, view.reader, model, records) for model in view.moments(snapshots, reference)]
    return exploited.of(view.target, records.labels, *reads)


def _read(reader: Reads, model: Model, records: Records, signal: Signal) -> Tensor:
    return reader.signal(signal, model, records)
