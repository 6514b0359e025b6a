"""Which client holds this record? All attacks of the source game, played on a trace and measured."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import nn

from ml_privacy_meter import targets
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.case import mixed
from ml_privacy_meter.clients.figures import above, by_client, by_label, top_1
from ml_privacy_meter.clients.found import ClientAudit, Found
from ml_privacy_meter.clients.seen import parts
from ml_privacy_meter.membership.describe import told
from ml_privacy_meter.records import as_records, join, scan
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.source import Attack, Guesses, SourceGame, View, alignment, smallest_loss
from ml_privacy_meter.traces import EVERYONE, Trace

BLIND = Found(
    "labels alone",
    "How many records of the record's class the client holds.",
    "no model: the record's true label, and how many records of each class each client holds",
    (),
)


def infer_source(
    model: nn.Module,
    trace: Trace,
    clients: Mapping[str, Any],
    *,
    attacks: Sequence[Attack] = (smallest_loss, alignment),
    seed: int = 0,
    device: str = "auto",
) -> ClientAudit:
    """How well whoever saw the updates of each client can say which of them holds a record.

    The adversary knows that one of the clients holds it. Records that several clients hold are left out.

    Args:
        model: of the architecture that was trained; its own weights do not matter.
        trace: as the aggregator saw it.
        clients: by name: the records that it holds, as `as_records` takes them.
        attacks: functions of `source.View`.
        seed: of the order in which records are shown.

    Raises:
        InputError: the trace shows no two clients, or something given cannot be used.
    """
    game, shared = _game(model, trace, clients, seed, device)
    names = game.view.clients
    blind = by_label(game.holder, game.view.records.labels, len(names))
    found = [_of(attack, game.play(attack), blind, names) for attack in attacks]
    found.append(replace(BLIND, risks=(top_1(blind),), clients=by_client(blind, names)))
    notes = [
        f"{len(game.holder)} records of {len(names)} clients; a guess at random is right in {1 / len(names):.3f} of "
        "them. The intervals hold for other records of the same clients, in this one training."
    ]
    if shared:
        notes.append(f"{shared} records that several clients hold were left out.")
    how = {"rounds": len(trace), "records": {name: int((game.holder == at).sum()) for at, name in enumerate(names)}}
    question = "Which client holds this record?"
    return ClientAudit("source", question, trace.viewer, tuple(found), tuple(notes), how)


def _game(model: nn.Module, trace: Trace, clients: Mapping[str, Any], seed: int, device: str) -> tuple[SourceGame, int]:
    """The game, and how many records were left out as several clients hold them."""
    names = tuple(clients)
    if strange := sorted(set(trace.clients) - {EVERYONE, *names}):
        raise InputError(f"`clients` must name all clients of the trace, found no records of `{strange[0]}`.")
    if len(trace.clients) > 1 and (silent := sorted(set(names) - {*trace.clients})):
        raise InputError(f"Each of `clients` must have sent an update, found none of `{silent[0]}`. Leave it out.")
    given = [as_records(data, name=name) for name, data in clients.items()]
    holder = np.repeat(np.arange(len(names)), [len(one) for one in given])
    everyone = scan(reduce(join, given), name="the clients together")
    apart = _held_once(everyone.digest, holder)
    target, records, _ = targets.fit(targets.open_model(model), everyone.records, everyone.records)
    order = np.random.default_rng(seed).permutation(np.flatnonzero(apart))
    if not len(order):
        raise InputError("Some records must lie with one client alone, found that several clients hold each.")
    shown = replace(mixed(records, order), id=np.arange(len(order)), groups={})  # names and groups may tell
    view = View(shown, Reader(Store(), device=device), names, parts(trace, target))
    return SourceGame(view, torch.from_numpy(holder[order])), int((~apart).sum())


def _held_once(digest: np.ndarray, holder: np.ndarray) -> np.ndarray:
    """Whether each record's features stand with one client alone."""
    pairs = np.unique(np.stack([digest, holder.astype(digest.dtype)]), axis=1)
    kept, clients = np.unique(pairs[0], return_counts=True)
    once: np.ndarray = clients[np.searchsorted(kept, digest)] == 1
    return once


def _of(attack: Attack, guesses: Guesses, blind: Guesses, names: tuple[str, ...]) -> Found:
    return Found(*told(attack), (top_1(guesses), above(guesses, blind)), by_client(guesses, names))
