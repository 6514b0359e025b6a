"""The rounds of a federated training as somebody saw them; they lie on disk, and are read one model at a time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._numbers import whole

Weights = Mapping[str, Tensor]

EVERYONE = "everyone"  # the name of what all clients of a round have sent, averaged
SAYS = "trace.json"
FINAL = "final.safetensors"
NAME = "round-{number:05d}.safetensors"


@dataclass(frozen=True)
class Round:
    """One round: global weights go out, clients train from them, what they changed comes back.

    Args:
        number: of the round; the first is 0.
        file: where it lies.
        shares: of each client that took part: its share in the average; they add up to 1. Empty: nobody took part.
        apart: the clients that were sent weights of their own.
        sees: "updates" of each client, "average" of all clients, or "snapshots" of the global weights alone.
        only: the clients whose updates are seen; None: all.
    """

    number: int
    file: Path
    shares: Mapping[str, float]
    apart: frozenset[str] = frozenset()
    sees: str = "updates"
    only: frozenset[str] | None = None

    @property
    def clients(self) -> tuple[str, ...]:
        """Those whose updates are seen, `EVERYONE` for the average of all; in the order they came."""
        if self.sees == "updates":
            return tuple(name for name in self.shares if self.only is None or name in self.only)
        return (EVERYONE,) if self.sees == "average" and self.shares else ()

    def before(self) -> dict[str, Tensor]:
        """The global weights, and buffers, at the start of the round."""
        return _tensors(self.file, "before")

    def sent(self, client: str) -> dict[str, Tensor]:
        """What this client was sent: the global weights, unless the server was active."""
        self._check(client)
        return _tensors(self.file, f"sent/{client}") if client in self.apart else self.before()

    def update(self, client: str) -> dict[str, Tensor]:
        """What this client changed: its weights after local training, less those that it was sent."""
        self._check(client)
        if client != EVERYONE:
            return _tensors(self.file, f"update/{client}")
        total: dict[str, Tensor] = {}
        for name, share in self.shares.items():
            for key, value in _tensors(self.file, f"update/{name}").items():
                total[key] = value * share if key not in total else total[key].add_(value, alpha=share)
        return total

    def _check(self, client: str) -> None:
        if client not in self.clients:
            seen = ", ".join(self.clients) or "none"
            raise InputError(f"Round {self.number} shows updates of {seen:.300}, found `{client}` asked for.")


@dataclass(frozen=True)
class Trace:
    """A federated training as somebody saw it.

    Args:
        folder: where it lies, see `TraceWriter`.
        says: what is known of the training: "lr", "local_steps", "batch_size" and whatever else its maker wrote.
        rounds: those that were seen, in their order.
        viewer: who saw it, in words.
    """

    folder: Path
    says: Mapping[str, object] = field(default_factory=dict)
    rounds: Sequence[Round] = ()
    viewer: str = "the aggregator, who sees each update of each client"

    @staticmethod
    def open(folder: str | Path, *, some: bool = True) -> "Trace":
        """The trace that lies in the folder; of a training that was killed, the rounds that were finished.

        Args:
            some: whether there must be a finished round.

        Raises:
            InputError: there is none, or a file of it cannot be read.
        """
        folder = Path(folder)
        try:
            says = json.loads((folder / SAYS).read_text("utf-8"))
        except (OSError, ValueError) as problem:
            raise InputError(f"A trace is a folder with a trace.json, found {folder}: {problem}.") from problem
        rounds = [_round(file) for file in sorted(folder.glob("round-*.safetensors"))]
        for place, one in enumerate(rounds):
            if one.number != place or one.file.name != NAME.format(number=place):
                raise InputError(
                    f"The rounds of a trace must be numbered from 0, none left out, found {one.file.name}, of round "
                    f"{one.number}, in place of round {place} in {folder}. Put back what is missing, or train anew."
                )
        if some and not rounds:
            raise InputError(f"A trace holds at least one round, found none in {folder}. Train first.")
        trace = Trace(folder, says, tuple(rounds))
        return trace.by_participant(str(says["participant"])) if rounds and "participant" in says else trace

    def __len__(self) -> int:
        return len(self.rounds)

    @cached_property
    def clients(self) -> tuple[str, ...]:
        """Those whose updates are seen in some round."""
        return tuple(dict.fromkeys(name for one in self.rounds for name in one.clients))

    @property
    def finished(self) -> bool:
        """Whether the training went on to its end."""
        return (self.folder / FINAL).exists()

    def final(self) -> dict[str, Tensor]:
        """The global weights after the last round.

        Raises:
            InputError: the training was killed before it ended.
        """
        if not self.finished:
            raise InputError(f"The training in {self.folder} did not end: {FINAL} is missing. Run it again to its end.")
        return _tensors(self.folder / FINAL, "before")

    def by_participant(self, client: str) -> "Trace":
        """The same, as a client saw it: the global weights of the rounds that it took part in, and its own updates."""
        if any(one.sees != "updates" or one.only not in (None, {client}) for one in self.rounds):
            raise InputError(f"The view of `{client}` is of what the aggregator saw, found that of {self.viewer}.")
        taken = [replace(one, only=frozenset({client})) for one in self.rounds if client in one.shares]
        if not taken:
            raise InputError(f"A participant must have taken part in a round, found `{client}` in none.")
        return replace(
            self, rounds=tuple(taken), viewer=f"participant {client}, who sees the global models it was sent"
        )

    def by_outsider(self, every: int = 1) -> "Trace":
        """The same, as somebody saw it who got the global model, every so many rounds."""
        whole(1, every=every)
        self._not_a_participants("an outsider")
        taken = [replace(one, sees="snapshots") for one in self.rounds[::every]]
        return replace(self, rounds=tuple(taken), viewer="an outsider, who gets snapshots of the global model")

    def aggregated(self) -> "Trace":
        """The same behind secure aggregation: the server sees the average of each round's updates, and no client's."""
        self._not_a_participants("averages")
        if any(one.sees == "snapshots" for one in self.rounds):
            raise InputError(f"The view of averages needs the server's trace, found that of {self.viewer}. Open that.")
        taken = [replace(one, sees="average") for one in self.rounds]
        return replace(
            self, rounds=tuple(taken), viewer="the server behind secure aggregation, which sees averages alone"
        )

    def _not_a_participants(self, view: str) -> None:
        if any(one.only is not None for one in self.rounds):
            raise InputError(f"The view of {view} needs the server's trace, found that of {self.viewer}. Open that.")


def _round(file: Path) -> Round:
    try:
        with safe_open(file, "pt") as held:
            said = json.loads((held.metadata() or {})["round"])
            return Round(int(said["number"]), file, said["shares"], frozenset(said["apart"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as problem:
        raise InputError(f"Rounds must be as `TraceWriter` writes them, found {file}: {problem}.") from problem


def _tensors(file: Path, under: str) -> dict[str, Tensor]:
    prefix = f"{under}/"
    with safe_open(file, "pt") as held:
        return {
            name.removeprefix(prefix): held.get_tensor(name) for name in sorted(held.keys()) if name.startswith(prefix)
        }
