"""A trace, written while the training goes on: each round is on disk before the next begins."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.traces.trace import EVERYONE, FINAL, NAME, SAYS, Trace, Weights


class TraceWriter:
    """Writes a trace into a folder that holds none yet.

    Args:
        says: what is known of the training: "lr", "local_steps", "batch_size" and whatever else helps its reader;
            "participant", its name, where a client keeps the trace, and not the server.
        goes_on: after the finished rounds of the same training, which says the same, where the folder holds some.

    Raises:
        InputError: the folder holds something else already.
    """

    def __init__(self, folder: str | Path, says: Mapping[str, object] | None = None, *, goes_on: bool = False) -> None:
        self.folder, self.rounds = Path(folder), 0
        said, file = json.dumps(dict(says or {}), indent=1), self.folder / SAYS
        if goes_on and file.exists():
            if file.read_text("utf-8") != said:
                raise InputError(f"The trace in {folder} is of another training, or of other settings. Name another.")
            self.rounds = len(Trace.open(folder, some=False).rounds)
            return
        half = {f"{SAYS}.new"} if goes_on else set()
        if self.folder.exists() and {file.name for file in self.folder.iterdir()} - half:
            raise InputError(f"A trace goes into an empty folder, found files in {folder}. Name another.")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        raw = self.folder / f"{SAYS}.new"
        raw.write_text(said, "utf-8")
        raw.replace(file)

    def add(
        self,
        before: Weights,
        updates: Mapping[str, Weights],
        *,
        counts: Mapping[str, float] | None = None,
        sent: Mapping[str, Weights] | None = None,
    ) -> None:
        """Keeps one more round.

        Args:
            before: the global weights, and buffers, that went out.
            updates: by client: its weights after local training, less those that it was sent.
            counts: by client: records that it trained on, by which updates are averaged; None: all count alike.
            sent: by client: the weights that it was sent, where these were not ``before``.
        """
        strange = [name for name in updates if not name or "/" in name or name == EVERYONE]
        if strange:
            raise InputError(
                f"A client's name must have letters and no slash, and not be `{EVERYONE}`, found {strange[0]!r}."
            )
        counts, sent = counts or dict.fromkeys(updates, 1), sent or {}
        total = sum(counts[name] for name in updates)
        held = _flat("before", before)
        for name, weights in updates.items():
            held |= _flat(f"update/{name}", weights)
        for name, weights in sent.items():
            held |= _flat(f"sent/{name}", weights)
        said = {
            "number": self.rounds,
            "shares": {name: counts[name] / total for name in updates},
            "apart": sorted(sent),
        }
        self._write(NAME.format(number=self.rounds), held, {"round": json.dumps(said)})  # in one: several have no order
        self.rounds += 1

    def finish(self, final: Weights) -> Trace:
        """The finished trace, once the global weights after the last round are kept."""
        self._write(FINAL, _flat("before", final), {})
        return Trace.open(self.folder)

    def _write(self, name: str, held: dict[str, Tensor], said: dict[str, str]) -> None:
        raw = self.folder / f"{name}.new"
        save_file(held, raw, said)
        raw.replace(self.folder / name)


def _flat(under: str, weights: Weights) -> dict[str, Tensor]:
    # a copy of each: safetensors refuses tensors that share memory, as tied weights do
    return {f"{under}/{name}": value.detach().cpu().clone().contiguous() for name, value in weights.items()}
