"""Was training data hidden in the weights? Detectors of a malicious trainer, each beside clean models."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ml_privacy_meter import encoding, targets
from ml_privacy_meter._checks import InputError, in_range, why
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.case import Case, prepare
from ml_privacy_meter.encoding import NOISE, Detector, Seen, View
from ml_privacy_meter.findings import Check, Risk
from ml_privacy_meter.games import Game, Tried
from ml_privacy_meter.inferring.noise import noise_like
from ml_privacy_meter.inferring.room import Room, room_of
from ml_privacy_meter.membership.describe import describe, paragraphs
from ml_privacy_meter.records import as_records
from ml_privacy_meter.risk.apart import LEAST, apart, rate
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.signals.layers import bare
from ml_privacy_meter.training import References
from ml_privacy_meter.types import Model, Records

READING = (encoding.low_bits, encoding.weight_spread, encoding.weight_patterns)
ASKING = tuple(partial(encoding.sure_of_noise, kind=kind) for kind in NOISE)
EVERY: tuple[Detector, ...] = (*READING, *ASKING)
NOTES = (
    "Rounding removes what lies in low bits, and nothing else: signs of weights, correlated weights and made-up inputs "
    "survive it. Of these only another training, by code that is trusted, is sure to be free.",
    "A model that was trained for longer, or on other data, stands apart as well: that is no proof of a secret.",
    "A trainer who knows the detectors can keep out of their sight: by encrypted data in low bits, few made-up inputs, "
    "signs of few weights. A file may hold more than weights, and integers are not looked at.",
)


def find_encoded(
    model: Any,
    members: Any,
    non_members: Any,
    *,
    references: Any,
    detectors: Sequence[Detector | str] | None = None,
    probes: int = 1_000,
    confidence: float = 0.95,
    seed: int = 0,
    device: str = "auto",
) -> Game:
    """Whether the model stands apart from clean ones as those do that hide data, and how much could hide unseen.

    Args:
        references: clean models, 8 or more, trained by yourself just as the model is said to have been, on as many
            records: those of `train_references`, or a list of models.
        detectors: of `encoding`, or their names; None: all that can see the model.
        probes: inputs of each kind of noise that models are asked about.

    Raises:
        InputError: there are too few clean models, or they are of another architecture.
    """
    in_range(0, 1, confidence=confidence)
    whole(1, probes=probes)
    whole(0, seed=seed)
    opened = model if isinstance(model, targets.Opened) else targets.open_model(model)
    if opened.inner is targets.as_saved:
        raise InputError("Hidden data are looked for in a model, found its saved outputs alone. Give the model.")
    sides = as_records(members, name="members"), as_records(non_members, name="non-members")
    clean = _references(references, sides)
    case = prepare(opened, *sides, references=clean, seed=seed)
    reader = Reader(Store(), device=device)
    view = _view(case, reader, probes, seed)
    chosen = _detectors(detectors, view)
    tried, baseline = _judged(chosen, view, confidence)
    room = room_of(opened, sides, reader, confidence)
    return Game(
        name="encoding",
        question="Was training data hidden in the model by who trained it?",
        knows="A malicious trainer chose how the model was trained, knew every record, and later reads the model or "
        "its answers. The detectors see the model, and clean models that were trained in the same way.",
        without=f"{len(view.clean)} clean models, which hide nothing, show what each detector says by chance.",
        baselines=(baseline,),
        tried=tuple(tried),
        verdict=_verdict(tried, room, len(view.clean)),
        curves=() if room is None else (room.curve,),
        checks=_checks_of(clean, int(case.member.sum()), room, confidence),
        notes=NOTES,
        how={"clean models": len(view.clean), "probes": probes} | ({} if room is None else {"spare bits": room.bits}),
    )


def _references(given: Any, sides: tuple[Records, Records]) -> References:
    """Clean models as reference models; a list of models says nothing of what they were trained on."""
    if isinstance(given, Sequence) and not isinstance(given, str) and given:
        none = [torch.zeros(len(side), len(given), dtype=torch.bool) for side in sides]
        given = References(tuple(given), none[0], none[1])
    if not isinstance(given, References) or len(given) < LEAST:
        found = len(given) if isinstance(given, References) else type(given).__name__
        raise InputError(
            f"`references` must be {LEAST} clean models or more, of `train_references` or as a list, found {found}. "
            "Train them as the model is said to have been trained."
        )
    return given


def _detectors(given: Sequence[Detector | str] | None, view: View) -> Sequence[Detector]:
    """Those that were named, or all that can see the model."""
    if given is None:
        able = (*(READING if view.model.weights else ()), *(ASKING if view.model.answers else ()))
        if not able:
            raise InputError("Neither weights are known, nor can noise be asked about: give the model as a module.")
        return able
    known: dict[str, list[Detector]] = {describe(one): [one] for one in EVERY}
    known["sure_of_noise"] = list(ASKING)
    found: list[Detector] = []
    for one in given:
        if isinstance(one, str) and one not in known:
            raise InputError(f"There is no detector `{one}`. Choose from: {', '.join(known)}.")
        found += known[one] if isinstance(one, str) else [one]
    if not found:
        raise InputError("`detectors` must name one or more, found none.")
    return found


def _view(case: Case, reader: Reader, probes: int, seed: int) -> View:
    inputs = noise_like(case.everyone.x, probes, seed=seed)
    models = (case.target, *case.beside.models)
    seen = [Seen(_reader_of(one), _answers(one, reader, inputs)) for one in models]
    if seen[0].weights is not None:
        shapes = [None if one.weights is None else _shapes(one.weights()) for one in seen]
        for number, other in enumerate(shapes[1:]):
            if other != shapes[0]:
                raise InputError(
                    f"Clean models must have the model's architecture, found another in clean model {number} (the "
                    "first is 0). Train them as the model is said to have been trained."
                )
    return View(seen[0], tuple(seen[1:]))


def _reader_of(model: Any) -> Callable[[], Mapping[str, Tensor]] | None:
    """Reads a model's weights anew at every call; None where it has none that are known."""

    def read() -> Mapping[str, Tensor]:
        found: Mapping[str, Tensor] = bare(model.load() if hasattr(model, "load") else model)[0].state_dict()
        return found

    loaded = model.load() if hasattr(model, "load") else model
    return read if getattr(loaded, "access", "outputs") == "parameters" else None


def _shapes(weights: Mapping[str, Tensor]) -> list[tuple[int, ...]]:
    return [tuple(tensor.shape) for tensor in weights.values()]


def logits(model: Model, x: Any, y: Tensor) -> Tensor:
    """What the model answers."""
    return model(x)


def _answers(model: Any, reader: Reader, inputs: Mapping[str, Tensor] | None) -> dict[str, Tensor]:
    if inputs is None or getattr(model, "instead", None) is not None:
        return {}
    x = torch.cat(list(inputs.values()))
    asked = Records(x, torch.zeros(len(x), dtype=torch.int64), np.arange(len(x)).astype(str))
    return dict(zip(inputs, reader.signal(logits, model, asked).chunk(len(inputs)), strict=True))


def _judged(detectors: Sequence[Detector], view: View, confidence: float) -> tuple[list[Tried], Tried]:
    """What each detector says of the model beside clean ones, and what they say of these."""
    tried, scores = [_told(detector) for detector in detectors], {}
    for place, detector in enumerate(detectors):
        try:
            scores[place] = _said(detector, view)
        except Exception as problem:  # a stranger's detector must not cost the others
            tried[place] = replace(tried[place], failed=why(problem))
    name, clean = "distance from clean models, in their standard deviations", []
    far = apart(list(scores.values()), name=name, confidence=confidence) if scores else ()
    for (place, found), excess in zip(scores.items(), far, strict=True):
        value, mean = float(found[0]), float(found[1:].mean())
        own = Risk("the detector's number", value, value, value, mean, len(found) - 1)
        tried[place] = replace(tried[place], risks=(own,), excess=excess)
        least, most = map(float, found[1:].aminmax())
        named = f"{tried[place].attack}: {own.name}"
        clean.append(Risk(named, mean, least, most, mean, len(found) - 1))
    says = f"What detectors say of {len(view.clean)} clean models: the mean, the least and the most."
    return tried, Tried("clean models", says, "what the detector sees", tuple(clean))


def _said(detector: Detector, view: View) -> Tensor:
    found, models = detector(view).double(), 1 + len(view.clean)
    if found.shape != (models,) or not found.isfinite().all():
        raise InputError(f"A detector must give a finite number for each of {models} models, found {found.tolist()}.")
    return found


def _told(detector: Detector) -> Tried:
    """Its name, and what it says, sees and misses by its docstring."""
    parts = paragraphs(detector)
    sees, misses = (
        next((part.removeprefix(of) for part in parts if part.startswith(of)), "Not said.")
        for of in ("Sees: ", "Misses: ")
    )
    return Tried(describe(detector), parts[0], sees, note=f"It misses: {misses}")


def _verdict(tried: Sequence[Tried], room: Room | None, clean: int) -> str:
    named = ", ".join(f"`{one.attack}`" for one in tried if one.shows)
    could = (
        "Whatever the detectors say, data that are encrypted or few can lie in a model unseen."
        if room is None or not room.spare
        else f"Whatever the detectors say, the lowest {room.spare} bits of {room.weights:,} weights can hold "
        f"{room.bits / 1000:,.0f} kbit that its accuracy does not need, and that need not show if they are encrypted. "
        f"Pass on a rounded copy: `encoding.rounded(model, {room.kept})`."
    )
    if named:
        return (
            f"The model stands apart from {clean} clean models, by {named}. Either it was not trained as they were, or "
            f"something was hidden in it: find out which before it is passed on. {could}"
        )
    if not any(one.shows is False for one in tried):
        return f"No detector could judge the model. {could}"
    none = f"No detector sets the model apart from {clean} clean models"
    return f"{none}, which does not show that nothing is hidden. {could}"


def _checks_of(clean: References, members: int, room: Room | None, confidence: float) -> tuple[Check, ...]:
    sizes = (clean.members.sum(0) if clean.public_inside is None else clean.public_inside.sum(0)).double()
    if clean.public_inside is None:
        sizes = sizes + clean.non_members.sum(0)
    often, enough = rate(len(clean), confidence), math.ceil(1 / (1 - confidence) - 1e-9) - 1
    says = f"A clean model stands apart from {len(clean)} others in {often:.1%} of cases at most."
    more = "" if len(clean) >= enough else f" It takes {enough} clean models for {1 - confidence:.1%}."
    checks = [Check("Are there enough clean models?", not more, says + more)]
    if sizes.any():
        says = f"Clean models were trained on {float(sizes.mean()):,.0f} records, the model on {members:,}."
        alike = bool((sizes / members - 1).abs().max() <= 0.1)
        told = "" if alike else " A model trained on more or fewer may stand apart and hide nothing."
        checks.append(Check("Were clean models trained on as many records?", alike, says + told))
    if room is not None:
        before, after = (risk.value for risk in room.accuracy)
        says = (
            f"Of {room.weights:,} weights the lowest {room.spare} bits, {room.bits / 1000:,.0f} kbit, are not needed: "
            f"accuracy on non-members is {before:.1%} with them, and {after:.1%} with {room.kept} bits of each "
            "mantissa left."
            if room.spare
            else "No low bits of the weights are to spare."
        )
        checks.append(Check("Are weights no wider than the model needs?", not room.spare, says))
    return tuple(checks)
