"""What do published synthetic records tell of the records that their generator was trained on?"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from tqdm import tqdm

import ml_privacy_meter.synthetic as room
from ml_privacy_meter._checks import in_range, one_of, why
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.findings import Check, Risk
from ml_privacy_meter.games import Game, Tried
from ml_privacy_meter.inferring import synthetic_plays as plays
from ml_privacy_meter.inferring.synthetic_sets import Sets, checks, copies, sets_of
from ml_privacy_meter.report.numbers import figure
from ml_privacy_meter.risk.controlled import controlled
from ml_privacy_meter.risk.rates import excess, success
from ml_privacy_meter.risk.roc import FEWEST, auc, tpr_at_fpr
from ml_privacy_meter.synthetic import Attack, Tries
from ml_privacy_meter.types import Scores

MEMBERSHIP = ("domias", "density", "distance_to_closest", "calibrated_distance")
RISKS = ("singling out", "linkability", "inference")
FPR = 0.01
QUESTION = "What do the synthetic records tell of the real ones that their generator was trained on?"
KNOWS = (
    "Anyone who has the synthetic records. To tell who was in the training set, the adversary holds whole records, and "
    "for some attacks other real records of the same source; to link and to infer, some columns of a record; to single "
    "somebody out, nothing else."
)
WITHOUT = (
    "By luck, training records are told from others at an AUC of 0.5. The other attacks are also played on real "
    "records that did not train the generator: what is reached there is known of the population, and not by the "
    "training records. An attack that is not shown to beat luck itself allows no conclusion."
)


def audit_synthetic(
    synthetic: Any,
    members: Any,
    non_members: Any,
    *,
    reference: Any = None,
    attacks: Sequence[Attack | str] | None = None,
    risks: Sequence[str] = RISKS,
    inferred: Sequence[str] | None = None,
    known: Sequence[str] | None = None,
    link: Sequence[str] | None = None,
    columns: Sequence[int] = (1, 4),
    neighbours: int = 1,
    tolerance: float = 0.05,
    most: int = 5_000,
    tries: int = 2_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Game:
    """What ``synthetic`` records tell of the ``members`` that trained their generator, beside what others show.

    All are tables of the same columns: DataFrames, arrays, tensors, pairs (features, labels), paths or records; of
    numbers and words, and values may be missing. Singling out, linkability and inference are the risks that the Article
    29 Working Party names, calibrated by a control; they were written from the formulas of Giomi et al. (2023).

    Args:
        non_members: of the same source; they did not train the generator. Without them no figure means anything.
        reference: real records beside both, which the adversary holds; None: half the non-members, drawn.
        attacks: that tell members from others: names in `synthetic`, or functions of a `synthetic.View`.
        risks: which of "singling out", "linkability" and "inference" are looked at.
        inferred: columns that are inferred; None: each, where there are at most 20.
        known: columns that are known of whom a secret is inferred; None: all others.
        link: columns of the first of two tables that are linked; all others are of the second. None: half, drawn.
        columns: by how many columns somebody is singled out; each an attack of its own.
        neighbours: how many synthetic records are looked at to link two rows.
        tolerance: how far an inferred number may lie from the true one, as a share of it.
        most: at most so many members, and non-members, are asked about by attacks that tell members.
        tries: at most so many guesses of every other attack.

    Raises:
        InputError: tables do not fit each other, are too small, or a column is not there.
    """
    in_range(0, 1, confidence=confidence, tolerance=tolerance)
    whole(1, most=most, tries=tries, neighbours=neighbours)
    whole(0, seed=seed)
    attacks = [attacks] if isinstance(attacks, str) else attacks
    risks = [risks] if isinstance(risks, str) else risks
    for name in risks:
        one_of(name, RISKS, "risk")
    sets = sets_of(synthetic, members, non_members, reference, seed=seed)
    telling = plays.members(sets, _chosen(MEMBERSHIP if attacks is None else attacks), most, seed)
    rest = plays.singling(sets, columns, tries, seed) if "singling out" in risks else []
    left: tuple[str, ...] = ()
    if "linkability" in risks:
        link_plays, left = plays.linking(sets, link, neighbours, tries, seed)
        rest += link_plays
    if "inference" in risks:
        rest += plays.inference(sets, inferred, known, tolerance, tries, seed)
    joint = 1 - (1 - confidence) / max(1, 2 * len(telling) + len(rest))  # what tells members has two figures
    bar = tqdm([*telling, *rest], "Attacks on synthetic records", delay=2, leave=False, disable=None)
    tried = tuple(_tried(one, confidence, joint) for one in bar)
    looked = checks(sets, confidence=confidence, seed=seed)
    notes = (*_notes(sets, left, bool(rest)), copies(sets))
    if "inference" in risks and inferred is None and len(sets.synthetic.columns) > plays.EVERY:
        notes += (f"No column was inferred: there are more than {plays.EVERY}. Name those that matter in `inferred`.",)
    how: dict[str, Any] = {name: len(getattr(sets, name)) for name in ("synthetic", "members", "others", "reference")}
    how |= {"most": most, "tries": tries, "tolerance": tolerance, "neighbours": neighbours, "link": list(left)}
    said = _verdict(tried, looked)
    without = _blind(looked[0])
    return Game("synthetic", QUESTION, KNOWS, WITHOUT, without, tried, said, checks=looked, notes=notes, how=how)


def _blind(check: Check) -> tuple[Tried, ...]:
    """Members and non-members, told apart without a synthetic record."""
    says, sees = (
        "How much like a member a classifier finds the record that learned from half of both sides.",
        "Records of both sides whose membership is known, and no synthetic record.",
    )
    return (Tried("blind classifier", says, sees, (check.risk,)),) if check.risk else ()


def _chosen(attacks: Sequence[Attack | str]) -> list[Attack]:
    return [getattr(room, one_of(one, MEMBERSHIP, "attack")) if isinstance(one, str) else one for one in attacks]


def _tried(one: plays.Play, confidence: float, joint: float) -> Tried:
    """The figures of one attack; the lower end of its excess holds beside those of all others."""
    of = one.name, one.says, one.sees
    try:
        found = one.play()
    except Exception as failure:  # whatever a stranger's attack raises belongs in the report
        return Tried(*of, failed=why(failure))
    if isinstance(found, Scores):
        return Tried(*of, *_of_members(found, confidence, joint))
    return _calibrated(of, found, confidence, joint)


def _of_members(scores: Scores, confidence: float, joint: float) -> tuple[tuple[Risk, ...], Risk | None]:
    """AUC and TPR, and the excess of the one over chance; that of TPR where it alone is surely above chance."""
    found, wide = (
        (auc(scores, confidence=sure), tpr_at_fpr(scores, fpr=FPR, confidence=sure)) for sure in (confidence, joint)
    )
    surely = [replace(of, surely=other.low) for of, other in zip(found, wide, strict=True)]
    rest = [of for of in surely if of.value is not None]
    shown = [of for of in rest if of.surely is not None and of.surely > of.baseline]
    return tuple(surely), _above_chance((shown or rest)[0]) if rest else None


def _above_chance(of: Risk) -> Risk:
    value, surely = of.value or 0.0, of.surely or 0.0
    low, high, base = of.low, of.high, of.baseline
    name = f"{of.name} above chance"
    return Risk(name, value - base, low - base, high - base, 0.0, of.trials, surely=surely - base)


def _calibrated(of: tuple[str, str, str], found: Tries, confidence: float, joint: float) -> Tried:
    """Success on members and on others, and the risk; no conclusion where luck was not beaten."""
    count = len(found.members)
    if count < FEWEST:
        return Tried(*of, note=f"No conclusion: {FEWEST} guesses or more are needed, found {count}.")
    luck = float(found.luck.double().mean())
    risks = tuple(
        success(side, baseline=luck, name=f"success on {name}", confidence=confidence)
        for side, name in ((found.members, "members"), (found.others, "non-members"))
    )
    calibrate = partial(controlled, found.members, found.others, paired=found.paired, alike=found.alike)
    judged, sure = calibrate(confidence=confidence), calibrate(confidence=joint)
    judged = replace(judged, surely=sure.low)
    if judged.value is not None and excess(found.members, found.luck, confidence=confidence).low > 0:
        return Tried(*of, risks, judged)
    why = judged.note or "it is not shown to be right more often than guesses by luck"
    return Tried(*of, (*risks, judged), note=f"No conclusion from this attack: {why}.")


def _notes(sets: Sets, left: Sequence[str], rest: bool) -> tuple[str, ...]:
    notes = [
        "Intervals hold for other records of the same source, and these synthetic records; not for another training."
    ]
    if not sets.given:
        notes.append(
            f"No reference was given: {len(sets.reference):,} of the non-members, drawn, serve as the real records "
            f"that the adversary holds, and {len(sets.asked):,} are asked about beside members."
        )
    if rest and len(sets.others) < len(sets.members):
        notes.append(
            f"Singling out is judged on {len(sets.others):,} members, as many as there are non-members: with so many "
            f"fewer than the {len(sets.members):,} that trained the generator, it is found more rarely than it occurs."
        )
    if left:
        notes.append(f"Linked were a table of {', '.join(left)} and one of all other columns.")
    return tuple(notes)


def _verdict(tried: Sequence[Tried], looked: Sequence[Check]) -> str:
    if any(check.voids and not check.passed for check in looked):
        return "These figures measure something else than the generator: see the checks. Decide nothing by them."
    shown = [one for one in tried if one.shows]
    open_ = sum(one.shows is None for one in tried)
    if shown:
        surest = {
            one.excess.name: one for one in sorted(shown, key=_surely) if one.excess
        }  # figures of one name compare
        told = "; ".join(f"{one.attack} ({_figure(one.excess)})" for one in surest.values() if one.excess)
        said = (
            f"The synthetic records tell of the training records: {len(shown)} of {len(tried)} attacks do surely "
            f"better on them than on other real records. The surest by each figure: {told}."
        )
    elif open_ == len(tried):
        return "Nothing can be said: no attack could be judged. That is no sign of safety."
    else:
        said = (
            f"No leak was shown: none of the {len(tried) - open_} attacks that could be judged does surely better on "
            "training records than on other real ones. A stronger attack, or more records, may show one."
        )
    return said + (f" {open_} of {len(tried)} allow no conclusion." if open_ else "")


def _surely(one: Tried) -> float:
    return one.excess.surely or 0.0 if one.excess else 0.0


def _figure(risk: Risk) -> str:
    return f"{risk.name} {figure(asdict(risk))}"
