"""What was reconstructed, beside what anybody could guess, as figures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.findings import Risk
from ml_privacy_meter.reconstructing.labels import Labels, shares
from ml_privacy_meter.reconstruction import Match
from ml_privacy_meter.risk.likeness import Origin, median, share_above

SCHEMA = "ml-privacy-meter/reconstruction"
VERSION = 1
FILE = "reconstruction.json"
CLOSER = "closer than every public image"
PLAIN, MARGIN = 30.0, 10.0  # dB: what no luck brings about, above zero and above the nearest public image
FEW = 20  # beside fewer public images that differ, guesses that look at nothing may seem to show a leak


@dataclass(frozen=True)
class Attacked:
    """What one attack did to one batch.

    Args:
        attack: its name, with the settings that are not its defaults.
        says, sees: what it gives, and what the adversary is assumed to see, in its docstring's words.
        match: None where it gave nothing.
        applies: whether the model gives it a hold.
        reason: why it gave nothing: why it does not apply, or how it broke.
    """

    attack: str
    says: str
    sees: str
    match: Match | None
    applies: bool = True
    reason: str = ""

    @property
    def broke(self) -> bool:
        """Whether it applies, and gave nothing for all that."""
        return self.match is None and self.applies


@dataclass(frozen=True)
class Batch:
    """One client's records, and what was played against them.

    Args:
        labels: how many were inferred rightly; None where they were known, or nothing could be inferred.
        differ: how many public images no two of which are alike by more than 30 dB, counted up to 20.
    """

    records: Tensor
    nearest: Match
    mean: Match
    played: tuple[Attacked, ...]
    labels: Labels | None
    differ: int


@dataclass(frozen=True)
class Reconstruction:
    """What attacks reconstruct of the records of one or more batches.

    Args:
        batches: personal data: they hold the records, and what was reconstructed of them.
        assumes: what the adversary was given, and how the client trained.
        confidence: of every interval.
    """

    batches: tuple[Batch, ...] = field(repr=False)
    assumes: Mapping[str, Any]
    confidence: float = 0.95

    @property
    def attacks(self) -> tuple[str, ...]:
        """The names of those that were asked for."""
        return tuple(one.attack for one in self.batches[0].played)

    @property
    def failed(self) -> tuple[Attacked, ...]:
        """Those that broke, of all batches: not those to which a model gives no hold."""
        return tuple(one for batch in self.batches for one in batch.played if one.broke)

    def matches(self, attack: str) -> list[Match | None] | None:
        """What an attack came to on each batch; None where it gave nothing on any of them.

        The baselines go by "nearest public image" and "mean public image". On a batch to which the attack does not
        apply, though it does to others, the mean public image stands for each record; None for a batch on which it
        broke.
        """
        if attack in BASELINES:
            return [batch.nearest if attack == BASELINES[0] else batch.mean for batch in self.batches]
        played = self._played(attack)
        if all(one.match is None for one in played):
            return None
        given = zip(played, self.batches, strict=True)
        return [batch.mean if not one.applies else one.match for one, batch in given]

    def risks(self, attack: str) -> tuple[Risk, ...]:
        """The attack's figures over all records of all batches on which it did not break; none where it gave nothing.

        Their baselines are those of the nearest public image; of how often it is beaten, those of the mean image.
        """
        return self._risks(*self._kept(attack))

    def shows(self, attack: str) -> bool | None:
        """Whether the attack shows a leak; that it does not is no proof that there is none.

        It does if any record came out above 30 dB and 10 dB closer than every public image: a leak of one record is
        one. And if it surely beats the public images more often than the mean of them surely does. None where that
        cannot be said: beside fewer than 20 public images that differ, as a blind guess may then come closer than they.
        """
        found, batches = self._kept(attack)
        if not found:
            return False
        if min(batch.differ for batch in batches) < FEW:
            return None
        of, nearest = _psnr(found), _psnr([batch.nearest for batch in batches])
        apart = self._risks(found, batches)[-1].low > self._risks([b.mean for b in batches], batches)[-1].high
        return apart or bool(((of > PLAIN) & (of > nearest + MARGIN)).any())

    @property
    def document(self) -> dict[str, Any]:
        """What ``reconstruction.json`` holds, see ``schema.json``: figures, and nothing of any record."""
        right, guessed = shares([batch.labels for batch in self.batches], [len(b.records) for b in self.batches])
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "about": {"version": version("ml-privacy-meter")},
            "assumes": dict(self.assumes),
            "batches": len(self.batches),
            "confidence": self.confidence,
            "labels_right": right,
            "labels_guessed": guessed,
            "baselines": [{"name": name, "figures": self._figures(name)} for name in BASELINES],
            "attacks": [self._attack(name) for name in self.attacks],
        }

    def save(self, folder: str | Path) -> Path:
        """The folder, now with ``reconstruction.json``, which holds nothing of any record; whole or not at all.

        Raises:
            InputError: the folder holds something else than an earlier reconstruction; nothing is written then.
        """
        from ml_privacy_meter.report import folder as folders
        from ml_privacy_meter.report.document import dump

        kind = folders.Kind("reconstruction", frozenset({FILE}), FILE, SCHEMA)
        return folders.write(folder, {FILE: dump(self.document).encode()}, kind)

    def pictures(self, file: str | Path, *, most: int = 8) -> Path:
        """The new PNG file with records above, and what was reconstructed of them below: personal data.

        See `reconstructing.pictures.draw`.
        """
        from ml_privacy_meter.reconstructing.pictures import draw

        return draw(self, Path(file), most=most)

    def __str__(self) -> str:
        from rich.console import Console

        from ml_privacy_meter.reconstructing.terminal import table

        console = Console(width=100, no_color=True, highlight=False)
        with console.capture() as captured:
            console.print(table(self))
        return captured.get()

    def _attack(self, name: str) -> dict[str, Any]:
        played = self._played(name)
        broke = [one.reason for one in played if one.broke]
        return {
            "attack": name,
            "says": played[0].says,
            "sees": played[0].sees,
            "applies": any(one.applies for one in played),
            "reason": " ".join(dict.fromkeys(one.reason for one in played if not one.applies)),
            "failed": " ".join(dict.fromkeys(broke)),
            "batches_failed": len(broke),
            "found": sum(one.match.found for one in played if one.match is not None),
            "shows": self.shows(name),
            "figures": self._figures(name),
        }

    def _played(self, attack: str) -> list[Attacked]:
        """What it did to each batch."""
        if attack not in self.attacks:
            raise InputError(f"There is no attack `{attack}` here; there are: {', '.join(self.attacks)}.")
        return [next(one for one in batch.played if one.attack == attack) for batch in self.batches]

    def _kept(self, attack: str) -> tuple[list[Match], list[Batch]]:
        """What it gave, and the batches of it: those on which it did not break."""
        pairs = zip(self.matches(attack) or [], self.batches, strict=False)
        kept = [(match, batch) for match, batch in pairs if match is not None]
        return [match for match, _ in kept], [batch for _, batch in kept]

    def _risks(self, found: list[Match], batches: list[Batch]) -> tuple[Risk, ...]:
        if not found:
            return ()
        origin, nearest = origin_of(batches), [batch.nearest for batch in batches]
        of, without, mean = (_psnr(matches) for matches in (found, nearest, [b.mean for b in batches]))
        sure: dict[str, Any] = {"confidence": self.confidence}
        figures = [median("median PSNR", of, without, origin, **sure)]
        if all(match.ssim is not None for match in (*found, *nearest)):
            figures.append(median("median SSIM", _ssim(found), _ssim(nearest), origin, **sure))
        figures += [share_above(f"above {least} dB", of, without, origin, least=least, **sure) for least in (20, 30)]
        return (*figures, share_above(CLOSER, of - without, mean - without, origin, least=0, **sure))

    def _figures(self, name: str) -> list[dict[str, Any]]:
        kept = ("name", "value", "low", "high", "baseline", "trials", "note")
        return [{key: _finite(asdict(risk)[key]) for key in kept} for risk in self.risks(name)]


BASELINES = ("nearest public image", "mean public image")
COUNTS = ("records", "public")  # of each batch


def together(results: Sequence[Reconstruction]) -> Reconstruction:
    """The batches of several results as one, so that figures have more records behind them.

    What the adversary was given must be the same in all, but for the numbers of records and of public images, as must
    be the attacks.
    """
    if not results:
        raise InputError("There must be at least one result to take together, found none.")
    first = results[0]
    for other in results:
        if _alike(other) != _alike(first):
            raise InputError(
                f"Results go together where attacks and settings are the same, found {dict(first.assumes)} with "
                f"{first.attacks} and {dict(other.assumes)} with {other.attacks}."
            )
    counts = {name: [count for one in results for count in one.assumes[name]] for name in COUNTS}
    batches = tuple(batch for one in results for batch in one.batches)
    return Reconstruction(batches, dict(first.assumes) | counts, first.confidence)


def _alike(result: Reconstruction) -> tuple[Any, ...]:
    """What must be the same in results that go together."""
    given = {name: value for name, value in result.assumes.items() if name not in COUNTS}
    return result.attacks, given, result.confidence


def origin_of(batches: Sequence[Batch]) -> Origin:
    """Where the records come from; batches of the same records, as of a client in several rounds, count as one."""
    known: dict[bytes, int] = {}
    held = [[known.setdefault(x.contiguous().numpy().tobytes(), len(known)) for x in b.records] for b in batches]
    sets: dict[frozenset[int], int] = {}
    of = [sets.setdefault(frozenset(records), len(sets)) for records in held]
    return Origin(np.repeat(of, [len(records) for records in held]), np.concatenate(held))


def _psnr(matches: Sequence[Match]) -> np.ndarray:
    return np.concatenate([match.psnr.numpy() for match in matches])


def _ssim(matches: Sequence[Match]) -> np.ndarray:
    return np.concatenate([match.ssim.numpy() for match in matches if match.ssim is not None])


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
