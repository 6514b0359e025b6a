"""What does the model know by heart? Memorization and influence, taken of the reference models that exist anyway."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ml_privacy_meter import signals
from ml_privacy_meter._checks import InputError, in_range, one_of
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.case import Case, prepare
from ml_privacy_meter.findings import Check, Group, Risk
from ml_privacy_meter.games import Game, Tried
from ml_privacy_meter.membership import View
from ml_privacy_meter.risk import memorization
from ml_privacy_meter.risk.influence import influence, shuffled
from ml_privacy_meter.risk.rates import excess_of_members, success
from ml_privacy_meter.risk.shares import above_luck, alike
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.types import Signals

SHUFFLES = 100  # of what each model was trained on, to see what luck does
SHOWN = 20  # records and pairs that are named
FEW = 32  # models, with fewer of which single records are hardly told from luck
BY = {"right": signals.correct, "probability": signals.true_probability}


def memorized(
    model: Any,
    members: Any,
    non_members: Any,
    *,
    references: Any,
    by: str = "right",
    above: float = 0.25,
    most: int = 2_000,
    confidence: float = 0.95,
    seed: int = 0,
    device: str = "auto",
) -> Game:
    """What the model knows by heart, and what models of its kind do, beside what luck would show.

    Args:
        references: models trained like the target on known halves of these records, from `train_references` or
            `own_references`: 4 at least, and 64 where single records matter.
        by: "right", whether a prediction is; or "probability", that of the true class, which varies less.
        above: from which memorization on a record is counted.
        most: of how many members, and of how many non-members, influence is taken, drawn at random.

    Raises:
        InputError: there are no reference models that were trained on these records, or records have no classes.
    """
    one_of(by, tuple(BY), "by")
    in_range(0, 1, above=above, confidence=confidence)
    whole(1, most=most)
    whole(0, seed=seed)
    case = prepare(model, members, non_members, references=references, seed=seed)
    _check_references(case)
    view = View(case.target, case.everyone, Reader(Store(), device=device), case.beside.models, case.beside.inside)
    seen = _Seen(case, view.signals(BY[by]), by, above, confidence, seed)
    heart, kind, (others, pairs) = _by_heart(seen), _of_its_kind(seen), _influence(seen, most)
    return Game(
        name="memorization",
        question="What does the model know by heart?",
        knows="Whoever trains models with and without each record: the owner, or an adversary with such records, who "
        "learns it of these.",
        without=f"Models that never saw a record are right about {heart.risks[0].baseline:.1%} of the members and "
        f"{heart.risks[1].baseline:.1%} of the non-members: so much is no memory. What luck shows is taken of the same "
        "models, with what each was trained on swapped among them at random.",
        baselines=(_unseen(heart, seen), _luck(kind)),
        tried=(heart, kind, others),
        verdict=_verdict(heart, kind, others),
        checks=_checks_of(seen),
        notes=_notes(seen),
        how={"models": len(view.references), "by": by, "above": above, "records": _strongest(seen), "pairs": pairs},
    )


@dataclass(frozen=True)
class _Seen:
    """What the models say of all records, and how figures are taken of it."""

    case: Case
    answers: Signals
    by: str
    above: float
    confidence: float
    seed: int

    @property
    def surely(self) -> float:
        """The confidence of each of three figures that hold together."""
        return 1 - (1 - self.confidence) / 3

    @property
    def called(self) -> str:
        return "accuracy" if self.by == "right" else "mean probability of the true class"

    def out(self) -> Float[Tensor, " records"]:
        """What models that never saw the record say of it; NaN where all saw it."""
        outside = ~self.answers.inside
        return (self.answers.reference * outside).sum(1) / outside.sum(1)

    def parts(self) -> Iterator[tuple[str, str, Bool[Tensor, " records"]]]:
        """Column, value and records of each group: by class, and by the records' own columns."""
        everyone, names = self.case.everyone, self.case.target.classes
        of = np.array([names[int(y)] if names else str(int(y)) for y in everyone.labels])
        for column, values in {"class": of, **everyone.groups}.items():
            for value in np.unique(values):
                yield column, str(value), torch.from_numpy(values == value)

    def with_surely(self, taken: Callable[[float], Risk]) -> Risk:
        """A figure, with the lower end that holds together with those of the others."""
        return replace(taken(self.confidence), surely=taken(self.surely).low)


def _check_references(case: Case) -> None:
    inside = case.beside.inside
    if inside is None or inside.shape[1] < 4 or not inside.any():
        found = 0 if inside is None or not inside.any() else inside.shape[1]
        raise InputError(
            f"Memorization needs 4 or more reference models trained on halves of these records, found {found}. Give "
            "`references` of `train_references(recipe, members, non_members, count=64)`."
        )
    if case.everyone.labels.dtype != torch.int64 or case.everyone.labels.ndim != 1:
        raise InputError("Memorization is taken of predictions of one class a record, found labels of another kind.")


def _by_heart(seen: _Seen) -> Tried:
    """The target itself, beside models that never saw the record."""
    known = ~seen.out().isnan()
    member, target, out = seen.case.member[known], seen.answers.target[known], seen.out()[known]

    def taken(confidence: float) -> Risk:
        name = "excess on members above non-members"
        return excess_of_members(target, out, member, name=name, confidence=confidence)

    return Tried(
        "known by heart",
        "How much more often the target is right about its own training records than models that never saw them.",
        "the target's answers, and those of reference models",
        tuple(
            success(
                target[of], baseline=float(out[of].mean()), name=f"{seen.called}, {of_whom}", confidence=seen.confidence
            )
            for of_whom, of in (("members", member), ("non-members", ~member))
        ),
        seen.with_surely(taken),
    )


def _of_its_kind(seen: _Seen) -> Tried:
    """Memorization of all records by the reference models."""
    right, inside = seen.answers.reference, seen.answers.inside
    rng = torch.Generator().manual_seed(seen.seed)
    swaps = [torch.randperm(inside.shape[1], generator=rng) for _ in range(SHUFFLES)]
    known = ~memorization(right, inside)[0].isnan()
    hits = memorization(right, inside)[0] > seen.above
    luck = torch.stack([memorization(right, inside[:, swap])[0] > seen.above for swap in swaps], 1)

    def share(of: Bool[Tensor, " records"]) -> Risk:
        name = f"share memorized above {seen.above:g}"
        return success(hits[of], baseline=float(luck[of].double().mean()), name=name, confidence=seen.confidence)

    member = seen.case.member
    return Tried(
        "memorization",
        "How much more often models trained on a record are right about it than models that were not.",
        "the answers of reference models",
        (share(known), *_agreement(seen)),
        seen.with_surely(
            lambda confidence: above_luck(
                hits[known], luck[known].double().mean(0), name="share above that of luck", confidence=confidence
            )
        ),
        tuple(
            Group(column, value, int(member[of].sum()), int((~member[of]).sum()), (share(of & known),))
            for column, value, of in seen.parts()
            if (of & known).any()
        ),
        note="It is a property of the records and of the way of training: it says nothing of this target by itself.",
    )


def _agreement(seen: _Seen) -> tuple[Risk, ...]:
    """Memorization by one half of the models beside that by the other: complements stay together."""
    right, inside = seen.answers.reference, seen.answers.inside
    second = torch.arange(right.shape[1]) // 2 % 2 == 1
    one, other = (memorization(right[:, half], inside[:, half])[0] for half in (~second, second))
    both = ~(one.isnan() | other.isnan())
    return tuple(
        alike(one[both], other[both], ranks=ranks, name=f"{kind} correlation of two halves", confidence=seen.confidence)
        for kind, ranks in (("Pearson", False), ("Spearman", True))
    )


def _influence(seen: _Seen, most: int) -> tuple[Tried, list[dict[str, Any]]]:
    """Which non-members hang on which members, and the pairs beyond luck, the surest first."""
    rng, member = np.random.default_rng(seen.seed), seen.case.member.numpy()
    sides = [np.sort(rng.permutation(np.flatnonzero(side))[:most]) for side in (member, ~member)]
    trained, asked = (torch.from_numpy(rows) for rows in sides)
    right, inside = seen.answers.reference[asked], seen.answers.inside
    found = influence(right, inside[trained], asked_inside=inside[asked])
    times = math.ceil(1 / (1 - seen.surely) - 1e-9) - 1  # so that luck alone is above all of them no more often
    luck = shuffled(right, inside[trained], asked_inside=inside[asked], times=times, seed=seen.seed)
    sure = found.sureness.nan_to_num(-torch.inf)
    beyond = sure > luck.max()
    hanging = torch.zeros(len(asked), dtype=torch.bool)
    hanging[found.asked[beyond]] = True
    name, ids = "share of non-members that hang on one member", seen.case.everyone.id
    tried = Tried(
        "influence",
        "How many non-members models are right about only because of one single member.",
        "the answers of reference models",
        excess=seen.with_surely(lambda confidence: success(hanging, baseline=0.0, name=name, confidence=confidence)),
        note=f"A pair counts that lies above the largest of {len(trained) * len(asked):,} pairs in each of {times} "
        f"swaps of what models were trained on: in one of {times + 1} audits any does by luck. With few models "
        "little can be told from luck: Feldman and Zhang trained 2,000 and more.",
    )
    pairs = [
        {
            "member": str(ids[trained[i]]),
            "non-member": str(ids[asked[found.asked[i]]]),
            "influence": round(float(found.value[i]), 4),
            "error": round(float(found.error[i]), 4),
        }
        for i in sure.argsort(descending=True, stable=True)[: min(SHOWN, int(beyond.sum()))]
    ]
    return tried, pairs


def _strongest(seen: _Seen) -> list[dict[str, Any]]:
    """The members that are memorized the most, by their ids, and whether the target is right about them."""
    value, error = memorization(seen.answers.reference, seen.answers.inside)
    order = torch.where(seen.case.member, value, torch.nan).nan_to_num(-torch.inf).argsort(descending=True, stable=True)
    return [
        {
            "member": str(seen.case.everyone.id[i]),
            "memorization": round(float(value[i]), 4),
            "error": round(float(error[i]), 4),
            "target": round(float(seen.answers.target[i]), 4),
        }
        for i in order[:SHOWN]
        if value[i] > seen.above
    ]


def _unseen(heart: Tried, seen: _Seen) -> Tried:
    risks = tuple(replace(risk, value=risk.baseline, low=risk.baseline, high=risk.baseline) for risk in heart.risks)
    says = "What models say of records that they were not trained on, on average."
    return Tried("models that never saw the record", says, "the answers of reference models", risks)


def _luck(kind: Tried) -> Tried:
    risk = kind.risks[0]
    says = "The same share where what each model was trained on is swapped among the models at random."
    return Tried("luck", says, "nothing", (replace(risk, value=risk.baseline, low=risk.baseline, high=risk.baseline),))


def _verdict(heart: Tried, kind: Tried, others: Tried) -> str:
    excess, share = heart.excess, kind.excess
    more, part = (f"{100 * (of.value or 0):.1f} points" if of else "" for of in (excess, share))
    first = (
        f"The model is right about its training records more often than models that never saw them, by {more} beyond "
        "the same of others: it knows some of them by heart."
        if heart.shows
        else "It is not shown that the model knows training records by heart; that is no proof that it knows none."
    )
    second = (
        f"Models trained in this way memorize more records than luck explains, by {part}: so would another training."
        if kind.shows
        else "Models of this kind are not shown to memorize more records than luck explains, with so few of them."
    )
    if others.shows:
        second += " Of some non-members they are right because of one single member, which these point to."
    return f"{first} {second} A record that is not memorized can leak all the same: a model may be surer of it."


def _checks_of(seen: _Seen) -> tuple[Check, ...]:
    models = seen.answers.inside.shape[1]
    error = 1 / math.sqrt(models)
    says = f"{models} reference models: the standard error of one record's memorization is up to {error:.2f}."
    says += "" if models >= FEW else f" Train {FEW} or more to tell single records from luck."
    return (Check("Are there enough reference models for single records?", models >= FEW, says),)


def _notes(seen: _Seen) -> tuple[str, ...]:
    return (
        "What models that never saw a record are right about, they know from others like it.",
        "Reference models must be trained as the target was. Where they are not, a general difference falls out of the "
        "excess on members above non-members, and nothing else does.",
        "The correlation of two halves is that of half as many models each: that of all is higher.",
    )
