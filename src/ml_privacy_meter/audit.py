"""Plays attacks against a target model and measures them: the one module that knows every room."""

import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from ml_privacy_meter import guarantees, signals
from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.case import Case, blind, prepare
from ml_privacy_meter.defaults import default_attacks as default_attacks
from ml_privacy_meter.defaults import weights_of as weights_of
from ml_privacy_meter.findings import Finding
from ml_privacy_meter.guarantees import Guarantee
from ml_privacy_meter.membership import Attack, MembershipGame, View, access, describe, watches_of
from ml_privacy_meter.playing import measures_of, play
from ml_privacy_meter.rehearsing import Rehearsed, rehearse, with_rehearsals
from ml_privacy_meter.report import Report, check_shown
from ml_privacy_meter.risk.added import added
from ml_privacy_meter.risk.calibration import reliability
from ml_privacy_meter.risk.norms import gradient_norms
from ml_privacy_meter.risk.strongest import strongest
from ml_privacy_meter.rounds import by_round
from ml_privacy_meter.shading import tokens_of
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.signals.tokens import are_texts
from ml_privacy_meter.table import OWN_COLUMNS, learned_apart, table
from ml_privacy_meter.traces import Trace
from ml_privacy_meter.training import References
from ml_privacy_meter.users import by_user, without_outsiders
from ml_privacy_meter.validity import checks_of, shifted

MOST_GROUPS = 1_000  # different values of a column to report on


def audit(
    model: Any,
    members: Any,
    non_members: Any,
    *,
    references: References | None = None,
    trace: Trace | None = None,
    snapshots: Sequence[Any] = (),
    base: Any = None,
    users: str | None = None,
    attacks: Sequence[Attack] | None = None,
    fpr: Sequence[float] = (0.1, 0.01, 0.001),
    confidence: float = 0.95,
    seed: int = 0,
    device: str = "auto",
    batch_size: int | None = None,
    store: str | Path | None = None,
    show_records: int = 0,
    guarantee: Guarantee | None = None,
) -> Report:
    """What ``model`` reveals about which records it was trained on.

    Args:
        model: an `nn.Module`, an estimator with ``predict_proba``, ``decision_function`` or ``predict``, a callable, a
            path or address (see `open_model`, which takes more settings), or None if the records hold saved outputs.
        members: the records it was trained on, or some of them drawn at random: a pair (x, y), a Dataset, a path (see
            `load_records`, which takes more settings).
        non_members: records of the same source that it never saw.
        references: models trained like the target, see `train_references`: the strongest attacks need them.
        trace: the federated training that ended with ``model``, as somebody watched it, see `traces.Trace`.
        snapshots: ``model`` at earlier moments of its training, the oldest first: each as ``model``.
        base: the language model that ``model`` was tuned from, which anybody can have: as ``model``.
        users: the column that says whose a record is, such as the author of a text: figures by user are added.
        attacks: functions of a `membership.View`; by default all that apply.
        fpr: the false positive rates at which true positive rates are reported, in (0, 1).
        confidence: of every interval.
        seed: of everything that is drawn at random, but in an attack that has a `seed` of its own.
        device: "auto" takes a GPU where there is one.
        batch_size: records a batch; None chooses by their size.
        store: a folder that keeps what was read off the model, so that an interrupted audit goes on where it was.
        show_records: how many of the most exposed training records the report's ``index.html`` shows as they are:
            personal data. Nothing else of a report holds any of it.
        guarantee: what is claimed for the training, see `guarantees`: it gives figures their ceilings.

    Raises:
        InputError: the model or the records cannot be used; the message says why, where, and what to do.
    """
    fpr = _checked(fpr, confidence, seed)
    check_shown(show_records)
    reader = Reader(Store(store), device=device, batch_size=batch_size)
    started = time.time()
    beside: dict[str, Any] = {"references": references, "trace": trace, "snapshots": snapshots, "base": base}
    case = prepare(model, members, non_members, **beside, users=users, seed=seed)
    check_shown(show_records, case.features.x)
    whole, case, game = without_outsiders(case, MembershipGame(_view(case, reader), case.member))
    _ask(game.view)  # an error here is no attack's
    without_model = blind(case, seed)
    groups, attacks = _groups(case), _attacks(attacks, case)
    measures = measures_of(fpr, confidence)
    joint = measures_of(fpr, 1 - (1 - confidence) / (len(attacks) * (1 + len(fpr))))
    beaten = without_model if shifted(case, without_model, confidence).voids else None
    shown: dict[str, Any] = {"groups": groups, "blind": beaten, **case.watched.seen}
    findings = tuple(play(game, attack, measures, joint=joint, **shown) for attack in _watched(attacks))
    rehearsed = _rehearsed(game, attacks, findings)
    chosen = strongest(rehearsed.scores, headline := measures[: 1 + len(fpr)])  # AUC and the TPRs
    alone = measures_of(fpr, 1 - (1 - confidence) / len(headline))[: len(headline)]
    told = partial(with_rehearsals, chosen=chosen, alone=alone, fpr=fpr, confidence=confidence)
    findings = tuple(told(finding, rehearsed) for finding in findings)
    records = table(case.everyone, game, groups, findings, attacks, rehearsed)
    probability = torch.tensor(records["membership_probability"].to_numpy())
    apart = learned_apart(findings, attacks)
    calibration = reliability(probability, case.member, judged=apart) if probability.isfinite().all() else None
    found = checks_of(case, game, findings, without_model, confidence, rehearsed, calibration)
    findings, kept = guarantees.held(guarantee, findings, found, confidence=confidence)
    of_users, alike = by_user(*whole, attacks, findings, fpr=fpr, confidence=confidence, seed=seed)
    return Report(
        findings=findings,
        checks=(*found, *kept, *alike),
        records=records,
        about=_about(case, game, reader, seed=seed, confidence=confidence, fpr=fpr)
        | _about_references(references, chosen, started),
        calibration=calibration,
        guarantee=None if guarantee is None else guarantees.claimed(guarantee),
        by_round=by_round(case.watched, game, findings, confidence=confidence, blind=beaten),
        by_user=of_users,
        **_of_weights(game, attacks, findings, rehearsed, fpr=fpr, confidence=confidence, groups=groups),
    ).showing(case.features.x, show_records, columns=case.features.columns, tokens=tokens_of(case))


def _checked(fpr: Sequence[float], confidence: float, seed: int) -> list[float]:
    """The false positive rates, the highest first, once it is seen that these can be settings of an audit."""
    in_range(0, 1, confidence=confidence, **{f"fpr[{i}]": rate for i, rate in enumerate(fpr)})
    if not fpr:
        raise InputError("An audit needs a false positive rate to report at, found none.")
    if seed < 0:
        raise InputError(f"`seed` must be 0 or more, found {seed}.")
    return sorted(fpr, reverse=True)


def _attacks(attacks: Sequence[Attack] | None, case: Case) -> Sequence[Attack]:
    if attacks is None:
        inside = case.beside.inside
        offline = inside is not None and not inside.any()
        models = case.beside.models
        reached = weights_of(case.target, models, *case.few())
        hidden = case.target.answers_changed and isinstance(case.few()[0], Tensor)
        seen = [what for what in ("snapshots", "updates") if getattr(case.watched, what)]
        settings: dict[str, Any] = {"references": len(models), "offline": offline, "weights": reached, "hidden": hidden}
        settings |= {"watched": seen, "base": case.base is not None, "spread": case.target.spread}
        return default_attacks(case.everyone.labels, **settings)
    names = [describe(attack) for attack in attacks]
    if not names:
        raise InputError("An audit needs an attack to play, found none.")
    if len(set(names)) < len(names):
        raise InputError(f"Each attack must be named once, found {', '.join(names)}. Leave out what is the same.")
    return attacks


def _of_weights(
    game: MembershipGame,
    attacks: Sequence[Attack],
    findings: Sequence[Finding],
    rehearsed: Rehearsed,
    *,
    groups: Mapping[str, np.ndarray],
    **settings: Any,
) -> dict[str, Any]:
    """What attacks add that read the target's weights, and how long gradients by all weights are, if one read these."""
    named = zip(findings, attacks, strict=True)
    # what an attack gains that watched the training is not due to the weights of the model
    ran = [(f, attack) for f, attack in named if f.scores is not None and not watches_of(attack)]
    weights = {found.attack for found, attack in ran if access(attack) == "parameters"}
    scores = {found.attack: found.scores for found, _ in ran if found.scores is not None}
    norms = None
    if any(getattr(attack, "keywords", {}).get("signal") is signals.gradient_norm for _, attack in ran):
        norms = gradient_norms(game.view.of_target(signals.gradient_norm), game.member, groups.get("class", ()))
    return {"added": added(scores, weights, rehearsed.scores, **settings), "gradient_norms": norms}


def _watched(attacks: Sequence[Attack]) -> Iterator[Attack]:
    """The attacks in turn, beside a bar that says which of how many is playing, and how long the others will take."""
    shape = "{desc} |{bar:10}| {elapsed}<{remaining}"
    with tqdm(total=len(attacks), desc="Attacks", bar_format=shape, leave=False, disable=None) as bar:
        for number, attack in enumerate(attacks, 1):
            bar.set_description_str(f"Attack {number} of {len(attacks)}: {describe(attack)}")
            yield attack
            bar.update()


def _view(case: Case, reader: Reader) -> View:
    """All that attacks are shown: neither names of records nor their groups, by which some might be told."""
    nameless, public = (
        None if records is None else replace(records, id=np.arange(len(records)), groups={})
        for records in (case.everyone, case.beside.public)
    )
    assert nameless is not None
    beside, watched = case.beside, case.watched
    seen: dict[str, Any] = {"snapshots": watched.snapshots, "updates": watched.updates}
    seen |= {"client": case.asked, "base": case.base, "reference_snapshots": beside.snapshots}
    return View(case.target, nameless, reader, beside.models, beside.inside, public, beside.public_inside, **seen)


def _ask(view: View) -> None:
    """Asks every model for its loss: one that cannot be read is refused before an attack trains anything."""
    view.signals(signals.loss)
    for one in (*view.snapshots, *chain(*view.reference_snapshots)):
        view.reader.signal(signals.loss, one, view.records)


def _rehearsed(game: MembershipGame, attacks: Sequence[Attack], findings: Sequence[Finding]) -> Rehearsed:
    named = zip(findings, attacks, strict=True)
    return rehearse(game, {finding.attack: attack for finding, attack in named if not finding.failed})


def _groups(case: Case) -> dict[str, np.ndarray]:
    y, columns = case.everyone.labels, case.everyone.groups
    for name in columns:
        if name in OWN_COLUMNS or name.startswith("score: "):
            raise InputError(f"A group cannot be called `{name}`: the report has a column of that name. Rename it.")
        if (different := len(np.unique(columns[name]))) > MOST_GROUPS:
            raise InputError(f"A group column may have {MOST_GROUPS:,} values, found {different:,} in `{name}`.")
    groups: dict[str, np.ndarray] = {}
    if y.dtype == torch.int64 and not are_texts(y):
        names = case.target.classes
        groups["class"] = np.array(names, dtype=str)[y.numpy()] if names else y.numpy()
    return groups | dict(columns)


def _about(case: Case, game: MembershipGame, reader: Reader, **settings: Any) -> dict[str, Any]:
    labels = case.everyone.labels
    signal: Callable[..., Any] = signals.loss if labels.is_floating_point() else signals.correct
    value = reader.signal(signal, case.target, game.view.records)
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
        "keys": {"model": case.target.key, "records": case.features.key, **case.watched.keys},
        "device": reader.device.type,
        "packages": {"python": platform.python_version()} | {name: version(name) for name in packages},
    }


def _about_references(references: References | None, chosen: Mapping[str, str], started: float) -> dict[str, Any]:
    said = {} if references is None else dict(references.says)
    training = {"training_seconds": said.pop("seconds")} if "seconds" in said else {}
    times = {"started": datetime.fromtimestamp(started, UTC).isoformat(), "seconds": time.time() - started, **training}
    if references is None:
        return {"times": times}
    about = {"reference_models": len(references), "references": said, "times": times}
    return about | ({"strongest": chosen} if chosen else {})
