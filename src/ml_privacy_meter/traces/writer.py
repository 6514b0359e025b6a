"""A trace, written while the training goes on: each round is on disk before the next begins."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.traces.trace import FINAL, NAME, Trace, Weights


class TraceWriter:
    """Writes a trace into a folder that holds none yet.

    Args:
        says: what is known of the training: "lr", "local_steps", "batch_size" and whatever else helps its reader.

    Raises:
        InputError: the folder holds something already.
    """

    def __init__(self, folder: str | Path, says: Mapping[str, object] | None = None) -> None:
        self.folder = Path(folder)
        if self.folder.exists() and any(self.folder.iterdir()):
            raise InputError(f"A trace goes into an empty folder, found files in {folder}. Name another.")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.folder / "trace.json").write_text(json.dumps(dict(says or {}), indent=1), "utf-8")
        self.rounds = 0

    def add(
        self,
        before: Weights,
        updates: Mapping[str, Weights],
        *,
        counts: Mapping[str, int] | None = None,
        sent: Mapping[str, Weights] | None = None,
    ) -> None:
        """Keeps one more round.

        Args:
            before: the global weights, and buffers, that went out.
            updates: by client: its weights after local training, less those that it was sent.
            counts: by client: records that it trained on, by which updates are averaged; None: all count alike.
            sent: by client: the weights that it was sent, where these were not ``before``.
        """
        strange = [name for name in updates if not name or "/" in name]
        if strange:
            raise InputError(f"A client's name must have letters and no slash, found {strange[0]!r}.")
        counts, sent = counts or dict.fromkeys(updates, 1), sent or {}
        total = sum(counts[name] for name in updates)
        held = _flat("before", before)
        for name, weights in updates.items():
            held |= _flat(f"update/{name}", weights)
        for name, weights in sent.items():
            held |= _flat(f"sent/{name}", weights)
        said = {
            "number": str(self.rounds),
            "shares": json.dumps({name: counts[name] / total for name in updates}),
            "apart": json.dumps(sorted(sent)),
        }
        self._write(NAME.format(number=self.rounds), held, said)
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
