"""Was this record in the training set? The challenger keeps the truth; the adversary is a function of its view."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership.view import Attack, Inside, View, shown
from ml_privacy_meter.types import Scores, fold_of, marked

Dealt = Callable[[Tensor, int], np.ndarray]  # the truth, a number of folds -> the fold of each record


@dataclass(frozen=True)
class MembershipGame:
    view: View
    member: Bool[Tensor, " records"]

    def play(self, attack: Attack, *, folds: int | None = None, dealt: Dealt = fold_of) -> Scores:
        """Hands the view, and only the view, to the attack; sets the truth beside its scores.

        An attack that needs a population, where there is none, plays in ``folds`` (5): it is shown the non-members of
        all others as the population, and judges its own. One that needs known records is shown those of the other of
        two folds, with the truth. So no record is judged by what was learned from it. ``dealt`` says which fold it is.
        """
        view = self.view
        knows = marked(attack, "needs_known") and view.known is None
        if not knows and (view.population is not None or not marked(attack, "needs_population")):
            return Scores(_one_each(attack(view), view), self.member)
        folds = folds or (2 if knows else marked(attack, "folds", 5))
        fold, score = torch.from_numpy(dealt(self.member, folds)), torch.empty(len(self.member), dtype=torch.float64)
        for k in range(folds):
            part = self._fold(fold == k, knows)
            score[fold == k] = _one_each(attack(part), part)
        return Scores(score, self.member)

    def _fold(self, here: Bool[Tensor, " records"], knows: bool = False) -> View:
        view, others = self.view, ~here if knows else ~here & ~self.member
        asked, taken = (view.records.take(rows.nonzero()[:, 0].numpy()) for rows in (here, others))
        inside, hidden = (None if of is None else of[here] for of in (view.inside, view.hidden))
        client = None if view.client is None else view.client[here.numpy()]
        part = replace(view, records=asked, inside=inside, hidden=hidden, client=client)
        if knows:
            return replace(part, known=taken, known_member=self.member[others])
        return replace(part, population=taken, population_inside=None if view.inside is None else view.inside[others])


def rehearsals(view: View) -> Iterator[MembershipGame]:
    """Games in which one reference model plays the target against the others, so that the truth is known.

    They are about the records of the view; where these trained no reference (offline), about the population, and
    then a record is shown with models alone that it did not train. What would give the answer away sits out: the
    complement of the model that plays (trained on exactly the other records); or, where every record is inside
    equally many models, one model of the opposite kind, drawn for each record.

    Raises:
        InputError: there are too few reference models for it, or the memberships in some tell those in another.
    """
    played = 0
    view = replace(view, snapshots=(), updates=(), client=None)  # of the target
    if view.inside is None or not view.inside.any():
        if view.population is None or view.population_inside is None:
            raise InputError(_TOO_FEW.format(count=len(view.references)))
        inside = view.population_inside
        view = replace(view, records=view.population, inside=inside, hidden=inside, population=None)
    for j in range(len(view.references)):
        game = _rehearsal(replace(view, known=None, known_member=None), j)  # what is known is of the target
        if game is not None:
            played += 1
            yield game
    if not played:
        raise InputError(_TOO_FEW.format(count=len(view.references)))


def as_rehearsed(view: View, played: View, *, seed: int = 0) -> View:
    """The view, shown with the reference models that a rehearsal was played with, as many for each record."""
    played = replace(played, target=view.target, snapshots=view.snapshots if view.reference_snapshots else ())
    if played.records is view.records:
        return played
    assert played.hidden is not None
    rows = torch.randint(len(played.hidden), (len(view.records),), generator=torch.Generator().manual_seed(seed))
    hidden = played.hidden[rows]
    return replace(played, records=view.records, inside=torch.zeros_like(hidden), hidden=hidden)


_TOO_FEW = (
    "A rehearsal needs reference models whose training records are known, 3 or more of them (4 where they are trained "
    "on complementary halves), found {count}. Train more reference models."
)


def _rehearsal(view: View, j: int) -> MembershipGame | None:
    """Reference ``j`` in the place of the target; None where no other is left to play against."""
    inside = view.inside
    assert inside is not None
    truth = inside[:, j]
    before = torch.zeros_like(inside) if view.hidden is None else view.hidden
    hidden, stays = before.clone(), (inside == truth[:, None]).any(0)
    hidden[:, j] = True
    level = (inside & ~before).sum(1)
    if stays.all() and bool((level == level[0]).all()):
        for kind in (inside, ~inside):  # of the kind that hiding model j took from no one else, one is hidden
            hidden |= _one_of(kind & ~hidden & (~kind[:, [j]] | before[:, [j]]), seed=j)
    stays[j] = False
    if truth.all() or not truth.any() or not stays.any() or not (~hidden[:, stays]).any(1).all():
        return None
    inside, hidden = inside[:, stays], hidden[:, stays]
    _check_silent(inside.gather(1, shown(hidden)).sum(1), truth)
    known = view.population_inside
    return MembershipGame(
        replace(
            view,
            target=view.references[j],
            snapshots=view.reference_snapshots[j] if view.reference_snapshots else (),
            references=tuple(compress(view.references, stays)),
            reference_snapshots=tuple(compress(view.reference_snapshots, stays)),
            inside=inside,
            hidden=hidden,
            population_inside=None if known is None else known[:, stays],
        ),
        truth,
    )


def _one_of(choices: Inside, seed: int) -> Inside:
    """One of the choices of each record, at random; none where it has none."""
    drawn = torch.rand(choices.shape, generator=torch.Generator().manual_seed(seed)) * choices
    return choices & (drawn == drawn.amax(1, keepdim=True))


def _check_silent(count: Int[Tensor, " records"], truth: Bool[Tensor, " records"]) -> None:
    """Raises unless in how many models a record stands says nothing of whether it stands in one more."""
    together = torch.stack([count.double(), truth.double()])
    if float(count.double().std()) > 0 and abs(float(torch.corrcoef(together)[0, 1])) > 6 / len(truth) ** 0.5:
        raise InputError(
            "The memberships in all other reference models must not tell those in one, and here they do: a record is "
            "inside of fewer others if it is inside of this. Train on independent halves, or on complementary ones."
        )


def _one_each(score: Any, view: View) -> Float[Tensor, " records"]:
    found = torch.as_tensor(score)
    if found.shape != (len(view.records),):
        raise InputError(f"An attack must score each of {len(view.records)} records, found shape {tuple(found.shape)}.")
    return found.double().cpu()
