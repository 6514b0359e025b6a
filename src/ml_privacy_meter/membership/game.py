"""Was this record in the training set? The challenger keeps the truth; the adversary is a function of its view."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.signals.reader import Reader
from ml_privacy_meter.types import Model, Records, Scores, Signal, Signals, fold_of


@dataclass(frozen=True)
class View:
    """All that the membership adversary may see.

    Args:
        target: the model under audit.
        records: in an order that says nothing; one of them is asked about in each trial.
        reader: asks models, in batches, and remembers what they said.
        references: models trained like the target, by the adversary.
        inside: ``inside[i, j]``: record i was in the training set of reference model j.
        population: records of the same source that no model was trained on.
    """

    target: Model
    records: Records
    reader: Reader
    references: tuple[Model, ...] = ()
    inside: Bool[Tensor, "records models"] | None = None
    population: Records | None = None

    def signals(self, signal: Signal) -> Signals:
        """``signal`` of the records, under the target model and every reference model."""
        return self._read(signal, self.records, self.inside)

    def population_signals(self, signal: Signal) -> Signals:
        """The same of the population."""
        if self.population is None:
            raise InputError("This attack needs a population: decorate it with `needs_population`.")
        return self._read(signal, self.population, None)

    def _read(self, signal: Signal, records: Records, inside: Tensor | None) -> Signals:
        target = self.reader.signal(signal, self.target, records)
        each = [self.reader.signal(signal, model, records) for model in self.references]
        reference = torch.stack(each, 1) if each else target.new_empty(len(target), 0, *target.shape[1:])
        if inside is None:
            inside = torch.zeros(len(target), len(each), dtype=torch.bool)
        return Signals(target, reference, inside)


Attack = Callable[[View], Tensor]


@dataclass(frozen=True)
class MembershipGame:
    view: View
    member: Bool[Tensor, " records"]

    def play(self, attack: Attack, *, folds: int = 5) -> Scores:
        """Hands the view, and only the view, to the attack; sets the truth beside its scores.

        An attack that needs a population, where there is none, plays in ``folds``: it is shown the non-members of all
        other folds as the population, and judges the records of its own. So no record is judged by what was learned
        from it.
        """
        if not getattr(_plain(attack), "needs_population", False) or self.view.population is not None:
            return Scores(_one_each(attack(self.view), self.view), self.member)
        fold = torch.from_numpy(fold_of(self.member, folds))
        score = torch.empty(len(self.member), dtype=torch.float64)
        for k in range(folds):
            part = self._fold(fold == k)
            score[fold == k] = _one_each(attack(part), part)
        return Scores(score, self.member)

    def _fold(self, here: Bool[Tensor, " records"]) -> View:
        records, known = self.view.records, ~here & ~self.member
        return replace(
            self.view,
            records=records.take(here.nonzero()[:, 0].numpy()),
            inside=None if self.view.inside is None else self.view.inside[here],
            population=records.take(known.nonzero()[:, 0].numpy()),
        )


def needs_population(attack: Any) -> Any:
    """Marks an attack that learns from records of which it knows that the target was not trained on them."""
    attack.needs_population = True
    return attack


def _one_each(score: Any, view: View) -> Float[Tensor, " records"]:
    found = torch.as_tensor(score)
    if found.shape != (len(view.records),):
        raise InputError(f"An attack must score each of {len(view.records)} records, found shape {tuple(found.shape)}.")
    return found.double().cpu()


def describe(attack: Any) -> str:
    """``threshold(signal=entropy)`` for ``partial(threshold, signal=entropy)``."""
    name = getattr(_plain(attack), "__name__", type(attack).__name__)
    settings = attack.keywords if isinstance(attack, partial) else {}
    said = ", ".join(f"{key}={describe(v) if callable(v) else v}" for key, v in settings.items())
    return f"{name}({said})" if said else name


def _plain(attack: Any) -> Any:
    return _plain(attack.func) if isinstance(attack, partial) else attack
