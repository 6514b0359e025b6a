"""Which clients' records have a property? The property game, played on a trace and measured."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import nn

from ml_privacy_meter import targets
from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.clients.figures import clustered_auc
from ml_privacy_meter.clients.found import ClientAudit, Found
from ml_privacy_meter.clients.imitated import Imitated, imitated
from ml_privacy_meter.clients.seen import check_fits, fill
from ml_privacy_meter.federated import federate
from ml_privacy_meter.membership.describe import told
from ml_privacy_meter.property import Attack, PropertyGame, Trial, View, learned
from ml_privacy_meter.records import as_records
from ml_privacy_meter.signals.layers import bare
from ml_privacy_meter.traces import EVERYONE, Trace, Weights
from ml_privacy_meter.training import Recipe
from ml_privacy_meter.types import Records


def infer_property(
    model: nn.Module,
    trace: Trace,
    holds: Mapping[str, bool | np.bool_ | Collection[int]],
    *,
    having: Any,
    lacking: Any,
    records: int,
    share: float = 0.5,
    recipe: Recipe | None = None,
    local_epochs: int | None = None,
    remedies: Sequence[Any] | None = None,
    rounds: int = 10,
    attacks: Sequence[Attack] = (learned,),
    device: str = "cpu",
) -> ClientAudit:
    """How well whoever saw the updates of each client can say whether its records have a property.

    The adversary makes up clients from records of its own, trains them from the weights of a round as the real ones
    train, and learns to tell their updates apart. Where they do not train as the trace says, a note says so.

    Args:
        model: of the architecture that was trained; its own weights do not matter.
        trace: as the aggregator saw it.
        holds: by client: whether its records have the property; or the numbers of the rounds in which they did.
        having, lacking: the adversary's own records with the property and without, as `as_records` takes them; of no
            client, or the answer would be known already.
        records: how many a made-up client trains on; the real ones are assumed to hold about so many.
        share: of these, where the property is there, how many have it.
        recipe, local_epochs, remedies: how made-up clients train in a round, and what they do to updates: see
            `federate`; None: as the trace says.
        rounds: how many rounds are looked at, evenly spread over those that were seen.

    Raises:
        InputError: the trace shows no client's updates, or something given cannot be used.
    """
    in_range(0, 1.000001, share=share)
    whole(1, rounds=rounds, records=records)
    sides = [as_records(data, name=name) for data, name in ((having, "having"), (lacking, "lacking"))]
    target, with_it, without = targets.fit(targets.open_model(model), *sides)
    own = {"recipe": recipe, "local_epochs": local_epochs, "remedies": remedies}
    way = imitated(trace.says, records=records, **own)  # type: ignore[arg-type]
    maker = _Maker(target, with_it, without, records, share, way, device)
    trials, has = _trials(trace, holds, rounds)
    check_fits(target, trials[0].sent())
    game, client = PropertyGame(View(trials, maker.updates), has), np.array([trial.client for trial in trials])
    found = [Found(*told(attack), (clustered_auc(game.play(attack), client),)) for attack in attacks]
    looked = sorted({trial.round for trial in trials})
    notes = (
        f"{len(trials)} trials: {len(np.unique(client))} clients in {len(looked)} rounds. The interval holds for other "
        "clients, in this one training. Without the model, nothing is seen of a client's records: 0.5.",
        *way.notes,
    )
    how = {"rounds": looked, "records": records, "share": share, "with": int(has.sum()), "without": int((~has).sum())}
    question = "Do the records that a client trained on have the property?"
    return ClientAudit("property", question, trace.viewer, tuple(found), notes, how)


def _trials(
    trace: Trace, holds: Mapping[str, bool | np.bool_ | Collection[int]], rounds: int
) -> tuple[tuple[Trial, ...], torch.Tensor]:
    """One for each client and round that is looked at, and whether the property was there."""
    seen = [one for one in trace.rounds if set(one.clients) - {EVERYONE}]
    if not seen:
        raise InputError(f"Properties of clients are read off their updates, found none seen by {trace.viewer}.")
    if strange := sorted({name for one in seen for name in one.clients} - set(holds)):
        raise InputError(
            f"`holds` must say of each client whether it has the property, found nothing of `{strange[0]}`."
        )
    places = np.unique(np.linspace(0, len(seen) - 1, min(rounds, len(seen))).round().astype(int))
    trials, has = [], []
    for one in (seen[place] for place in places):
        for client in one.clients:
            seen_of = partial(one.sent, client), partial(one.update, client)
            trials.append(Trial(one.number, client, *seen_of, apart=client in one.apart))
            said = holds[client]
            has.append(bool(said) if isinstance(said, bool | np.bool_) else one.number in said)
    return tuple(trials), torch.tensor(has)


@dataclass(frozen=True)
class _Maker:
    """Makes up clients from the adversary's own records, and trains them as the real ones train."""

    target: targets.Target
    having: Records
    lacking: Records
    records: int
    share: float
    way: Imitated
    device: str

    def updates(self, trial: Trial, simulations: int, seed: int) -> tuple[list[Weights], list[Weights]]:
        """The updates of so many clients with the property, and of as many without, in the trial's round."""
        rng, few = np.random.default_rng(seed), max(1, round(self.share * self.records))
        made = {f"with {number}": self._client(rng, few) for number in range(simulations)}
        made |= {f"without {number}": self._client(rng, 0) for number in range(simulations)}
        settings = {**self.way.at(trial.round), "device": self.device, "seed": seed}
        with TemporaryDirectory() as folder:
            module = bare(fill(self.target, trial.sent()))[0]
            (one,) = federate(module, made, to=Path(folder) / "trace", rounds=1, **settings).rounds
            found: list[Weights] = [one.update(name) for name in made]
        return found[:simulations], found[simulations:]

    def _client(self, rng: np.random.Generator, few: int) -> tuple[Any, Any]:
        """Records of one client, ``few`` of them with the property; drawn anew where there are not enough."""
        parts = [
            (side.x[rows], side.labels[rows])
            for side, size in ((self.having, few), (self.lacking, self.records - few))
            if size and len(rows := rng.choice(len(side), size, replace=size > len(side)))
        ]
        return tuple(torch.cat(part) for part in zip(*parts, strict=True))  # type: ignore[return-value]
