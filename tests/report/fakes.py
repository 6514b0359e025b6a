"""Reports of audits that never happened, from scores drawn at random."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch

from ml_privacy_meter import risk
from ml_privacy_meter.by_user import ByUser, ExposedUser, Known, OfShare, UserFinding
from ml_privacy_meter.findings import ByRound, Check, Finding, Group, Moment, Risk
from ml_privacy_meter.games import Curve, Game, Line, Tried
from ml_privacy_meter.guarantees import Guarantee, claimed, held
from ml_privacy_meter.report import Report
from ml_privacy_meter.risk.probability import cross_fitted
from ml_privacy_meter.types import Scores

FPRS = (0.1, 0.01, 0.001)
LEAKY = "threshold"
BLANK = "threshold(signal=entropy)"
FAILED = "quantile(on=features)"
WEIGHTS = "the target model's weights, of which the gradients of all layers are read, and the record's true label."
SHIFT = "Do members and non-members look alike without the model?"


def about(members: int, non_members: int, **more: Any) -> dict[str, Any]:
    return {
        "version": "0.1.0",
        "seed": 0,
        "confidence": 0.95,
        "members": members,
        "non_members": non_members,
        "model": "resnet20.pt2, a torch.export program, 10 classes",
        "member_accuracy": 0.997,
        "non_member_accuracy": 0.915,
        "device": "cpu",
        "data": {"members": "sha256:5f0c…", "non_members": "sha256:a1d2…"},
        "libraries": {"torch": "2.13.0", "numpy": "2.4.0"},
        "settings": {"fprs": [0.1, 0.01, 0.001], "batch": 256},
        "times": {"started": "2026-01-05T10:00:00+00:00", "seconds": 12.34},
        "paths": {"model": "models/resnet20.pt2", "members": "data/train.npz"},
    } | more


def checks(*, shifted: bool) -> tuple[Check, ...]:
    said = "A classifier on the records alone, which never asks the model, reaches an AUC of "
    shift = Check(SHIFT, True, said + "0.504 [0.486, 0.522]; chance is 0.5. The two sets look alike.")
    if shifted:
        shift = Check(
            SHIFT,
            False,
            said + "0.731 [0.715, 0.747]; chance is 0.5. Members and non-members come from different sources.",
            voids=True,
        )
    return (
        Check("Does the model answer the same twice?", True, "Yes."),
        shift,
        Check(
            "Is any record both member and non-member?",
            not shifted,
            "3 of 2,000 non-members have the same content as a member." if shifted else "No record stands in both.",
            ids=("rec-1 = rec-9", "rec-2 = rec-7") if shifted else (),
        ),
    )


HEADLINE = [risk.auc, *(partial(risk.tpr_at_fpr, fpr=fpr) for fpr in FPRS)]


def finding(attack: str, scores: Scores, groups: dict[str, np.ndarray], rehearsed: tuple[Scores, ...] = ()) -> Finding:
    headline = HEADLINE
    measures = [*headline, risk.balanced_accuracy, risk.advantage, risk.power, risk.error]
    return Finding(
        attack=attack,
        says="The target model's signal, turned so that higher says member: minus the loss, in nats.",
        sees="the target model's output for each record, and the record's true label.",
        scores=scores,
        risks=tuple(measure(scores) for measure in measures),
        groups=risk.by_group(scores, groups, headline),
        rehearsed=rehearsed,
        carried=tuple(risk.carried(scores, rehearsed, fpr=fpr) for fpr in FPRS) if rehearsed else (),
    )


def failed(attack: str = FAILED) -> Finding:
    reason = "quantile needs 100 records to fit its trees, found 20."
    return Finding(attack, "How far a score lies above the expected.", "outputs and features.", None, failed=reason)


def fake(
    records: int = 4000,
    *,
    leak: float = 0.7,
    classes: Sequence[str] | None = ("aeroplane", "bird", "cat", "dog", "frog"),
    group: Sequence[str] = ("north", "south"),
    attacks: Sequence[str] = (LEAKY, BLANK),
    also: tuple[Finding, ...] = (failed(),),
    shifted: bool = False,
    prefix: str = "rec-",
    seed: int = 0,
    references: int = 0,
    weights: bool = False,
    **more: Any,
) -> Report:
    """Half of the records are members; the first attack leaks by ``leak`` deviations, others do not.

    So they do on so many reference models, which take the target's place.

    Args:
        weights: the second attack reads weights, and the lengths of gradients are known.
    """
    rng = np.random.default_rng(seed)
    member = np.arange(records) < records // 2
    groups: dict[str, np.ndarray] = {}
    shift = np.full(records, leak)
    if classes is not None:
        kind = rng.integers(len(classes), size=records)
        groups["class"] = np.array(classes, dtype=object).astype(str)[kind]
        shift = leak * (0.5 + kind / len(classes))
    groups["region"] = np.array(group, dtype=object).astype(str)[rng.integers(len(group), size=records)]
    inside = np.stack([member, *(rng.permutation(member) for _ in range(references))])
    games = {
        name: [scores(rng.normal(size=records) + one * shift * (place == 0), one) for one in inside]
        for place, name in enumerate(attacks)
    }
    score = {name: game[0].score.numpy() for name, game in games.items()}
    found = {name: game[0] for name, game in games.items()}
    rehearsed = {name: tuple(game[1:]) for name, game in games.items()}
    calibration = None
    if found:
        probability, which = risk.membership_probability(list(found.values()), list(rehearsed.values()))
        apart = None if references else cross_fitted(list(found.values()))
        calibration = risk.reliability(probability, torch.from_numpy(member), judged=apart)
        names = np.array(list(found), dtype=object)[which]
        given = np.choose(which, list(score.values()))
    else:
        probability, names, given = np.full(records, np.nan), np.full(records, ""), np.full(records, np.nan)
    columns = {"id": [f"{prefix}{row}" for row in range(records)], "member": member, **groups}
    columns |= {"membership_probability": np.asarray(probability), "attack": names, "score": given}
    columns |= {f"score: {name}": values for name, values in score.items()}
    if references:
        right = torch.from_numpy(rng.random((records, references)) < 0.5 + 0.4 * inside[1:].T).double()
        value, spread = risk.memorization(right, torch.from_numpy(inside[1:].T.copy()))
        columns |= {"memorization": value, "memorization_se": spread}
        columns |= {"vulnerability": risk.vulnerability(next(iter(rehearsed.values())))}
        more |= {"reference_models": references, "references": {"epochs": 50, "optimizer": "sgd"}}
        more = {"strongest": risk.strongest(rehearsed, HEADLINE)} | more
    findings = [finding(name, one, groups, rehearsed[name]) for name, one in found.items()]
    of_weights: dict[str, Any] = {}
    if weights:
        findings[1] = replace(findings[1], sees=WEIGHTS)
        norm = torch.from_numpy(rng.lognormal(1.0 - member, 1.0))
        of_weights = {
            "added": risk.added(found, {attacks[1]}, rehearsed, fpr=FPRS, confidence=0.95),
            "gradient_norms": risk.gradient_norms(norm, torch.from_numpy(member), groups.get("class", ())),
        }
    return Report(
        **of_weights,
        findings=(*findings, *also),
        checks=checks(shifted=shifted),
        records=pd.DataFrame(columns),
        about=about(int(member.sum()), int((~member).sum()), **more),
        calibration=calibration,
    )


def claiming(report: Report, guarantee: Guarantee) -> Report:
    """The report of an audit to which this guarantee was declared."""
    found, kept = held(guarantee, report.findings, report.checks, confidence=0.95)
    return replace(report, findings=found, checks=(*report.checks, *kept), guarantee=claimed(guarantee))


def watching(report: Report, *, rounds: int = 4, quality: str = "accuracy", updates: bool = True) -> Report:
    """The report of an audit of a model whose training somebody watched: the risk rises with the rounds."""
    moments = []
    for number in range(rounds + 1):
        auc = 0.5 + 0.3 * number / rounds
        loss, update = (Risk("AUC", value, value - 0.05, value + 0.05, 0.5, 400) for value in (auc, auc + 0.1))
        seen = update if updates and number < rounds else None
        moments.append(Moment(number, loss, seen, 0.6 + number / 20, 0.5))
    seen_by = "the aggregator, who sees each update of each client"
    return replace(report, by_round=ByRound("round", seen_by, quality, rounds + 1, tuple(moments), "clients"))


def with_users(report: Report, value: float = 0.8, **changed: Any) -> Report:
    """The report of an audit that asked about users too."""

    def auc(value: float) -> Risk:
        return Risk("AUC", value, value - 0.05, value + 0.05, 0.5, 100, surely=value - 0.1)

    rows = tuple(Known(n, 50, 50, (auc(value - 0.1 + n / 100),), auc(value - 0.1 + n / 100)) for n in (1, 4, 10))
    shares = tuple(OfShare(k / 100, (k + 1) / 100, 17, auc(0.5 + k / 10)) for k in range(3))
    found = ByUser(
        column="author",
        held_out=True,
        inside=60,
        outside=1_200,
        left_out=3,
        findings=(
            UserFinding("difference", "Its mean.", rows, shares),
            UserFinding("recall", "A ratio.", failed="No."),
        ),
        blind=((10, auc(0.5)),),
        exposed=(ExposedUser("<b>Hamlet</b>", 30, 0.05, 1.5, 0.99),),
        exposed_by=("difference", 10),
    )
    return replace(report, by_user=replace(found, **changed))


def game(excess: float = 0.05, name: str = "attribute", secret: str = "marital <b>status</b>", **changed: Any) -> Game:
    """A game beside membership that was never played."""

    def share(name: str, value: float, baseline: float = 0.0, **more: Any) -> Risk:
        return Risk(name, value, value - 0.03, value + 0.03, baseline, 500, **more)

    groups = (Group("sex", "f", 100, 90, (share("accuracy", 0.8, 0.7),)), Group("sex", "m", 80, 90, ()))
    guess = Tried("imputation", "A guess from the rest of the record.", "other records.", (share("accuracy", 0.77),))
    tried = (
        Tried(
            "imputation_times_model",
            "The guess, times the confidence.",
            "the target model's outputs.",
            (share("accuracy", 0.82, 0.77), Risk("mean error (years)", 4.2e-7, 1e-7, np.inf, 5.25, 500)),
            share("excess on members above non-members", excess, surely=excess - 0.04),
            groups,
            note="Its prior is of all records.",
        ),
        Tried("csmia", "Which values predict the label.", "labels alone.", failed="One value is missing."),
    )
    at = [
        Line(one, tuple((n, share("fidelity", 0.5 + n / 1000 * k)) for n in (100, 400)))
        for k, one in ((1, "a"), (0.5, "b"))
    ]
    game = Game(
        name=name,
        secret=secret,
        question="What is the marital status of a record?",
        knows="All of a record but that.",
        without="A guess from the rest is right in 77%.",
        baselines=(guess,),
        tried=tried,
        verdict="The model adds 5 points on its training records.",
        curves=(Curve("Fidelity by queries", "queries", "fidelity", tuple(at), log=True),),
        checks=(
            Check("Does a column give the secret away?", False, "Yes: <i>relationship</i>."),
            Check("Fine?", True, "Yes."),
        ),
        notes=("Of the non-members, half are the adversary's.",),
        how={"auxiliary": 500, "candidates": ["yes", "no"], "drop": None},
    )
    return replace(game, **changed)


def scores(score: np.ndarray, truth: np.ndarray) -> Scores:
    return Scores(torch.from_numpy(score), torch.from_numpy(truth))
