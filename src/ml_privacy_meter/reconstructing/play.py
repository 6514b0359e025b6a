"""Plays every attack that applies to what one client sent back."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError, in_range, why
from ml_privacy_meter.membership.describe import told
from ml_privacy_meter.reconstructing.labels import judged
from ml_privacy_meter.reconstructing.result import FEW, PLAIN, Attacked, Batch, Reconstruction
from ml_privacy_meter.reconstruction import (
    Attack,
    DoesNotApplyError,
    ReconstructionGame,
    View,
    analytic,
    cosine,
    dlg,
    imprint,
    unlike,
)

ATTACKS: tuple[Attack, ...] = (analytic, imprint, dlg, cosine)


def reconstruct(
    model: nn.Module,
    change: Mapping[str, Tensor],
    records: Any,
    *,
    public: Any,
    weights: Mapping[str, Tensor] | None = None,
    lr: float | None = None,
    local_steps: int = 1,
    batch_size: int | None = None,
    known_labels: bool = False,
    attacks: Sequence[Attack] | None = None,
    span: tuple[float, float] = (0.0, 1.0),
    confidence: float = 0.95,
    seed: int = 0,
) -> Reconstruction:
    """How much of a client's records can be seen in its gradient, or in its update.

    The client trains with plain SGD on the mean cross-entropy. Attacks are shown the model, what came back, the public
    images and the number of records: no record, no statistics of the batch for batch norm, and no labels unless
    ``known_labels`` says so; the result says which. Figures of several batches are taken with `together`.

    Args:
        model: as the client was sent it; it is not changed. Attacks run where it is.
        change: by parameter: the gradient, or, where ``lr`` is given, the update: `Round.update(client)` of a trace.
        records: the client's, a pair (x, y), by which guesses are judged.
        public: images of the same kind that are not the client's, one a row: for baselines, and for attacks.
        weights: what the client was sent, where it is not what ``model`` holds: `Round.sent(client)`.
        lr: of the client; None: ``change`` is a gradient.
        local_steps: how many steps the client made.
        batch_size: records a step, taken in turn; None: all.
        known_labels: whether the adversary has the labels of the records; else they are inferred.
        attacks: functions of a `reconstruction.View`; None: all that the library has.
        span: the least and the largest value that a record can hold.
        confidence: of every interval.
        seed: of what attacks draw at random.

    Raises:
        InputError: the model, the change or the records do not fit each other.
    """
    in_range(0, 1, confidence=confidence)
    x, y = _pair(records)
    if weights is not None:
        model = _loaded(model, weights)
    known = y if known_labels else None
    given: dict[str, Any] = {"lr": lr, "local_steps": local_steps, "batch_size": batch_size, "span": span, "seed": seed}
    device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
    trained = {name for name, _ in model.named_parameters()}  # buffers hold statistics of the batch
    change = {name: value.to(device) for name, value in change.items() if name in trained}
    view = View(model, change, len(x), torch.as_tensor(public).to(device), labels=known, **given)
    game = ReconstructionGame(view, x)
    labels = None if known_labels else judged(view, y)
    played = tuple(_played(game, attack) for attack in (ATTACKS if attacks is None else attacks))
    differ = unlike(view.public, span, least=PLAIN, most=FEW)
    batch = Batch(x.cpu(), game.nearest(), game.mean(), played, labels, differ)
    assumes = {
        "records": [len(x)],
        "labels": "known to the adversary" if known_labels else "inferred",
        "change": "a gradient" if lr is None else "an update",
        "batch_norm": any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in model.modules()),
        "public": [len(view.public)],
    } | {key: list(value) if isinstance(value, tuple) else value for key, value in given.items() if key != "seed"}
    return Reconstruction((batch,), assumes, confidence)


def _pair(records: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(records, Sequence) or len(records) != 2:
        raise InputError(f"`records` must be a pair (x, y), found a {type(records).__name__}.")
    x, y = (torch.as_tensor(part) for part in records)
    if len(x) != len(y) or y.ndim != 1 or y.is_floating_point():
        raise InputError(f"`records` must hold one class a record, found shapes {tuple(x.shape)} and {tuple(y.shape)}.")
    return x, y.long()


def _loaded(model: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    try:
        model = copy.deepcopy(model)
        model.load_state_dict(dict(weights))
    except RuntimeError as problem:
        raise InputError(f"`weights` must be what the model's `state_dict` holds: {problem!s:.300}") from problem
    return model


def _played(game: ReconstructionGame, attack: Attack) -> Attacked:
    words = told(attack)
    try:
        return Attacked(*words, game.play(attack))
    except DoesNotApplyError as reason:
        return Attacked(*words, None, applies=False, reason=str(reason))
    except Exception as failure:  # whatever a stranger's attack raises belongs in the result
        return Attacked(*words, None, reason=why(failure))
