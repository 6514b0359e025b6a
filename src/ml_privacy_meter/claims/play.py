"""Plays the audit of a claim: canaries are hidden, one model is trained, and what it says of them is judged."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ml_privacy_meter import records, targets
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.canaries import Planted, plant
from ml_privacy_meter.claims.audited import DPAudit, check_claim, judge
from ml_privacy_meter.risk import epsilon_one_run
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.signals.classifier import loss
from ml_privacy_meter.targets import Opened
from ml_privacy_meter.targets.key import digest
from ml_privacy_meter.training.data import Data, matched
from ml_privacy_meter.training.plan import Job, carry_out
from ml_privacy_meter.training.store import ModelStore
from ml_privacy_meter.types import Records, Scores, sign_of

COUNT = 1_000  # canaries where nobody says, and there are enough records


def audit_dp(
    train: Any,
    data: Any,
    *,
    epsilon: float,
    delta: float,
    canaries: str = "mislabelled",
    count: int | None = None,
    guesses: int | Sequence[int] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    device: str = "auto",
    store: str | Path | None = None,
) -> DPAudit:
    """A claim of differential privacy held against one training run with canaries among its records.

    Each canary is in the training by a fair coin. Its score is minus its loss under the trained model, with its own
    (wrong) label: the label is what a model can only know from having been trained on it.

    Source: Steinke, Nasr and Jagielski, Privacy Auditing with One (1) Training Run, NeurIPS 2023.

    Args:
        train: what the claim is about: as for `train_references`, a function (x, y, seed) -> model or its name.
        data: the training records, as `audit` takes records.
        epsilon, delta: what is claimed of ``train`` on as many records, for one record in or out.
        canaries: "mislabelled": records get another label. "random": further records, each column drawn by itself.
        count: how many canaries; by default 1,000, or half of the records where that is less.
        guesses, confidence: as of `risk.epsilon_one_run`.
        seed: of canaries, coins and training.
        device: for a recipe, and for asking the model.
        store: the folder that keeps the trained model, so that the same call trains nothing a second time.

    Raises:
        InputError: training fails, the records do not fit, or a setting cannot be used.
    """
    check_claim(epsilon, delta)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"`seed` must be a whole number of at least 0, found {seed!r}.")
    given = records.scan(records.as_records(data, name="records"), name="records").records
    count = default_count(len(given)) if count is None else count
    way, plain = matched(train, [given])
    planted = plant(plain.x, plain.y, canaries, count, seed)
    job = Job(
        way,
        Data(planted.x, planted.y, digest(plain.key, "canaries", canaries, str(count), str(seed))),
        torch.from_numpy(planted.inside)[:, None],
        seed,
        ModelStore(store if way.key else None),
        "here",
        None,
        device,
        named="Training",
    )
    says = {
        "canaries": canaries,
        "score": "minus the loss with the canary's own label",
        "trained_by": way.says.replace("`", ""),
        "trained_on": int(planted.inside.sum()),
        "seed": seed,
    }
    scores = _scores(way.open(carry_out(job)[0], None), planted, device)
    return judge(scores, epsilon=epsilon, delta=delta, guesses=guesses, confidence=confidence, says=says)


def default_count(size: int) -> int:
    """How many canaries are hidden among so many records where nobody says."""
    return min(COUNT, size // 2)


def could_show(
    count: int, *, delta: float, confidence: float = 0.95, guesses: int | Sequence[int] | None = None
) -> float:
    """The largest lower bound on epsilon, in nats, that so many canaries can show if all guesses are right."""
    order = torch.arange(count)
    best = Scores(order.double(), order >= count // 2)
    return epsilon_one_run(best, delta=delta, confidence=confidence, guesses=guesses).most


def _scores(opened: Opened, planted: Planted, device: str) -> Scores:
    """What the model says of the canaries."""
    if opened.classes is None and planted.y.dtype.kind in "OU":  # names: no other order is known
        opened = replace(opened, classes="sorted")
    rows = [np.flatnonzero(side) for side in (planted.canary, ~planted.canary)]
    canaries, rest = (_records(planted, some if len(some) else rows[0]) for some in rows)
    target, asked, _ = targets.fit(opened, canaries, rest)
    said = Reader(Store(), device=device).signal(loss, target, asked)
    return Scores(sign_of(loss) * said, torch.from_numpy(planted.inside[planted.canary]))


def _records(planted: Planted, rows: np.ndarray) -> Records:
    x = planted.x.iloc[rows] if hasattr(planted.x, "iloc") else planted.x[rows]
    return records.as_records((x, planted.y[rows]), name="canaries")
