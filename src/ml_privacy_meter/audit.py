"""Plays attacks against a target model and measures them: the one module that knows every room."""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from ml_privacy_meter import signals
from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.case import Case, blind, prepare
from ml_privacy_meter.findings import Check, Finding, Risk
from ml_privacy_meter.membership import Attack, MembershipGame, View, describe, gap, quantile, threshold
from ml_privacy_meter.report import Report
from ml_privacy_meter.risk import advantage, auc, balanced_accuracy, checks, error, power, tpr_at_fpr
from ml_privacy_meter.risk.records import Measure, by_group, membership_probability
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.types import Records, Scores

OWN_COLUMNS = ("id", "member", "class", "membership_probability", "attack", "score")
MOST_GROUPS = 1_000  # different values of a column to report on


def audit(
    model: Any,
    members: Any,
    non_members: Any,
    *,
    attacks: Sequence[Attack] | None = None,
    fpr: Sequence[float] = (0.1, 0.01, 0.001),
    confidence: float = 0.95,
    seed: int = 0,
    device: str = "auto",
    batch_size: int | None = None,
    store: str | Path | None = None,
) -> Report:
    """What ``model`` reveals about which records it was trained on.

    Args:
        model: an `nn.Module`, an estimator with ``predict_proba``, ``decision_function`` or ``predict``, a callable, a
            path or address (see `open_model`, which takes more settings), or None if the records hold saved outputs.
        members: the records it was trained on, or some of them drawn at random: a pair (x, y), a Dataset, a path (see
            `load_records`, which takes more settings).
        non_members: records of the same source that it never saw.
        attacks: functions of a `membership.View`; by default all that need no reference models.
        fpr: the false positive rates at which true positive rates are reported, in (0, 1).
        confidence: of every interval.
        seed: of everything that is drawn at random, but in an attack that has a `seed` of its own.
        device: "auto" takes a GPU where there is one.
        batch_size: records a batch; None chooses by their size.
        store: a folder that keeps what was read off the model, so that an interrupted audit goes on where it was.

    Raises:
        InputError: the model or the records cannot be used; the message says why, where, and what to do.
    """
    in_range(0, 1, confidence=confidence, **{f"fpr[{i}]": rate for i, rate in enumerate(fpr)})
    if seed < 0:
        raise InputError(f"`seed` must be 0 or more, found {seed}.")
    reader = Reader(Store(store), device=device, batch_size=batch_size)
    started = time.time()
    case = prepare(model, members, non_members, seed=seed)
    nameless = replace(case.everyone, id=np.arange(len(case.everyone)), groups={})
    game = MembershipGame(View(case.target, nameless, reader), case.member)
    reader.signal(signals.loss, case.target, case.everyone)  # asks the model; an error here is no attack's
    without_model = blind(case, seed)
    groups = _groups(case)
    if attacks is None:
        attacks = default_attacks(case.everyone.labels)
    if not attacks or not fpr:
        raise InputError("An audit needs an attack to play and a false positive rate to report at, found none.")
    names = [describe(attack) for attack in attacks]
    if len(set(names)) < len(names):
        raise InputError(f"Each attack must be named once, found {', '.join(names)}. Leave out what is the same.")
    measures = _measures(fpr, confidence)
    joint = _measures(fpr, 1 - (1 - confidence) / (len(attacks) * (1 + len(fpr))))
    differ = checks.shift(without_model, confidence=confidence).voids
    baseline = without_model if differ else None
    bar = tqdm(attacks, desc="Playing attacks", unit="attack", delay=2, leave=False, disable=None)
    findings = tuple(play(game, attack, measures, joint=joint, groups=groups, blind=baseline) for attack in bar)
    return Report(
        findings=findings,
        checks=_checks(case, game, findings, without_model, confidence),
        records=_table(case.everyone, game, groups, findings),
        about=_about(case, game, reader, started, seed=seed, confidence=confidence, fpr=sorted(fpr, reverse=True)),
    )


def default_attacks(y: Tensor) -> tuple[Attack, ...]:
    """The attacks that need no reference model, for labels of this kind.

    Logit gap and true probability are left out: they order records as the loss does.
    """
    if y.is_floating_point():
        return threshold, quantile
    others = (signals.modified_entropy, signals.entropy, signals.margin)
    return threshold, *(partial(threshold, signal=signal) for signal in others), gap, quantile


def play(
    game: MembershipGame,
    attack: Attack,
    measures: Sequence[Measure],
    *,
    joint: Sequence[Measure] = (),
    groups: Mapping[str, np.ndarray] | None = None,
    blind: Scores | None = None,
) -> Finding:
    """What the attack finds: its figures, in all and by group. An attack that fails is a finding that says so.

    Args:
        measures: the figures to take.
        joint: the same figures at a confidence that is shared out over all that the report holds.
        groups: columns, in the order of the game's records.
        blind: scores of an adversary without the model, where it beats chance: its figures are the baselines then.
    """
    documented = attack.func if isinstance(attack, partial) else attack
    says, sees = _docstring(documented.__doc__ or "")
    for value in attack.keywords.values() if isinstance(attack, partial) else ():
        if callable(value) and value.__doc__:
            says += f" Here, {describe(value)}: {_docstring(value.__doc__)[0]}"
    name = describe(attack)
    try:
        scores = game.play(attack)
    except Exception as failure:  # whatever a stranger's attack raises belongs in the report
        kind = "" if isinstance(failure, InputError) else f"{type(failure).__name__}: "
        return Finding(name, says, sees, None, failed=f"{kind}{failure}")
    risks = [measure(scores) for measure in measures]
    if joint:
        risks = [replace(r, surely=measure(scores).low) for r, measure in zip(risks, joint, strict=True)]
    found = by_group(scores, groups or {}, measures)
    if blind is not None:
        without = [measure(blind) for measure in measures]
        risks = _beside(risks, without)
        found = tuple(replace(group, risks=tuple(_beside(group.risks, without))) for group in found)
    return Finding(name, says, sees, scores, tuple(risks), found)


def _beside(risks: Sequence[Risk], without: Sequence[Risk]) -> list[Risk]:
    """The risks, with what is reached without the model as their baselines where it is more than chance."""
    unknown = "what is reached without the model is not resolvable here"
    return [
        replace(risk, surely=0.0, note=risk.note or unknown)
        if blind.value is None
        else replace(risk, baseline=max(risk.baseline, blind.value))
        for risk, blind in zip(risks, without, strict=False)
    ]


def _measures(fpr: Sequence[float], confidence: float) -> list[Measure]:
    measures: list[Measure] = [partial(auc, confidence=confidence)]
    measures += [partial(tpr_at_fpr, fpr=rate, confidence=confidence) for rate in sorted(fpr, reverse=True)]
    return measures + [partial(m, confidence=confidence) for m in (balanced_accuracy, advantage, power, error)]


def _docstring(text: str) -> tuple[str, str]:
    """An attack's first line, and what follows ``Sees:``."""
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n")]
    sees = [paragraph[6:] for paragraph in paragraphs if paragraph.startswith("Sees: ")]
    return paragraphs[0], sees[0] if sees else "Not said: the attack's docstring has no `Sees:`."


def _groups(case: Case) -> dict[str, np.ndarray]:
    y = case.everyone.labels
    columns = case.everyone.groups
    for name in columns:
        if name in OWN_COLUMNS or name.startswith("score: "):
            raise InputError(f"A group cannot be called `{name}`: the report has a column of that name. Rename it.")
        if (different := len(np.unique(columns[name]))) > MOST_GROUPS:
            raise InputError(f"A group column may have {MOST_GROUPS:,} values, found {different:,} in `{name}`.")
    groups: dict[str, np.ndarray] = {}
    if y.dtype == torch.int64:
        names = case.target.classes
        groups["class"] = np.array(names, dtype=str)[y.numpy()] if names else y.numpy()
    return groups | dict(case.everyone.groups)


def _checks(
    case: Case, game: MembershipGame, findings: Sequence[Finding], blind: Scores | None, confidence: float
) -> tuple[Check, ...]:
    labels = case.everyone.labels
    found = [checks.shift(blind, confidence=confidence)]
    found.append(checks.duplicates(case.pairs, int((~case.member).sum())))
    if labels.dtype == torch.int64:
        found.append(checks.class_mix(labels[case.member].numpy(), labels[~case.member].numpy()))
    if not labels.is_floating_point():
        right = game.view.signals(signals.correct).target
        found.append(checks.better_on_members(right, game.member))
    found.append(checks.repeatable(case.target.deterministic))
    found += [checks.varied_scores(f.attack, f.scores) for f in findings if f.scores is not None]
    return tuple(found)


def _table(
    everyone: Records, game: MembershipGame, groups: Mapping[str, np.ndarray], findings: Sequence[Finding]
) -> pd.DataFrame:
    columns: dict[str, Any] = {"id": everyone.id.astype(str), "member": game.member.numpy(), **groups}
    found = {finding.attack: finding.scores for finding in findings if finding.scores is not None}
    if not found:
        return pd.DataFrame(columns | {"membership_probability": np.nan, "attack": "", "score": np.nan})
    scores = list(found.values())
    probability, which = membership_probability(scores)
    columns["membership_probability"] = probability.numpy()
    columns["attack"] = pd.Categorical.from_codes(which, pd.Index(list(found)))
    columns["score"] = np.empty(len(which))
    for k, one in enumerate(scores):
        columns["score"][which == k] = one.score.numpy()[which == k]
    return pd.DataFrame(columns | {f"score: {attack}": s.score.numpy() for attack, s in found.items()})


def _about(case: Case, game: MembershipGame, reader: Reader, started: float, **settings: Any) -> dict[str, Any]:
    labels = case.everyone.labels
    signal: Callable[..., Any] = signals.loss if labels.is_floating_point() else signals.correct
    value = game.view.signals(signal).target
    quality = "loss" if labels.is_floating_point() else "accuracy"
    packages = ("torch", "numpy", "scikit-learn", "scipy", "pandas")
    return {
        "version": version("ml-privacy-meter"),
        "model": case.target.says,
        "access": case.target.access,
        "members": int(case.member.sum()),
        "non_members": int((~case.member).sum()),
        f"member_{quality}": float(value[game.member].mean()),
        f"non_member_{quality}": float(value[~game.member].mean()),
        **settings,
        "keys": {"model": case.target.key, "records": case.features.key},
        "device": reader.device.type,
        "packages": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "times": {"started": datetime.fromtimestamp(started, UTC).isoformat(), "seconds": time.time() - started},
    }
