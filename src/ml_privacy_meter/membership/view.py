"""What the membership adversary sees."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.types import Model, Reads, Records, Scores, Signal, Signals

Inside = Bool[Tensor, "records models"]
_NO_POPULATION = "This attack needs a population: decorate it with `needs_population`."
_NO_SNAPSHOTS = (
    "`snapshots` = {asked} asks for earlier moments, 0 or more, of each model that is used, found {found} of one. Give "
    "`snapshots` or a `trace` to the audit, and `snapshots` to `own_references`."
)


@dataclass(frozen=True)
class View:
    """All that the membership adversary may see.

    Args:
        target: the model under audit.
        records: in an order that says nothing; one of them is asked about in each trial.
        reader: asks models, in batches, and remembers what they said.
        references: models trained like the target, by the adversary.
        inside: ``inside[i, j]``: record i was in the training set of reference model j; None: of none.
        population: records of the same source that the target was not trained on.
        population_inside: which of them trained which reference model; None: of none.
        hidden: ``hidden[i, j]``: what model j says of record i is not shown; None: all is.
        known: other records, of which it is known whether the target was trained on them: see ``known_member``.
        snapshots: the target at earlier moments of its training, the oldest first.
        reference_snapshots: of each reference model, the same at the same moments; empty: nobody has them.
        updates: what was changed in its weights on the way, in order: each an `Update`.
        client: an array: of each record, whose training set is asked about; None: that of all together.
        base: the model that the target was tuned from, which anybody can have; None: not known.
    """

    target: Model
    records: Records
    reader: Reads
    references: tuple[Model, ...] = ()
    inside: Inside | None = None
    population: Records | None = None
    population_inside: Bool[Tensor, "population models"] | None = None
    hidden: Inside | None = None
    known: Records | None = None
    known_member: Bool[Tensor, " known"] | None = None
    snapshots: tuple[Model, ...] = ()
    reference_snapshots: tuple[tuple[Model, ...], ...] = ()
    updates: tuple[Any, ...] = ()
    client: Any = None
    base: Model | None = None

    def signals(self, signal: Signal, queries: int = 1, snapshots: int = 0) -> Signals:
        """``signal`` of the records, under the target model and every reference model.

        Args:
            queries: in how many forms each model is asked (images also mirrored and moved); more than 1 adds an axis.
            snapshots: at how many earlier moments, too (see `moments`): answers there are more along the same axis.
        """
        return self._read(signal, (queries, snapshots), self.records, self.inside, self.hidden)

    def moments(self, snapshots: int, reference: int | None = None) -> tuple[Model, ...]:
        """The target, or a reference model; then, at most so many, its last snapshot and others evenly before it."""
        model, found = self.target, self.snapshots
        if reference is not None:
            model, found = self.references[reference], (self.reference_snapshots or {reference: ()})[reference]
        if snapshots < 0 or (snapshots and not found):
            raise InputError(_NO_SNAPSHOTS.format(asked=snapshots, found=len(found)))
        return (model, *found[:: -(len(found) // snapshots) or -1][:snapshots]) if snapshots else (model,)

    def of_target(self, signal: Signal, *, population: bool = False) -> Tensor:
        """``signal`` of the records, or of the population, under the target alone: no reference model is asked."""
        records = self.population if population else self.records
        if records is None:
            raise InputError(_NO_POPULATION)
        return self.reader.signal(signal, self.target, records)

    def population_signals(self, signal: Signal, queries: int = 1, snapshots: int = 0) -> Signals:
        """The same of the population."""
        if self.population is None:
            raise InputError(_NO_POPULATION)
        return self._read(signal, (queries, snapshots), self.population, self.population_inside, None)

    def _read(
        self, signal: Signal, each: tuple[int, int], records: Records, inside: Inside | None, hidden: Inside | None
    ) -> Signals:
        def of(reference: int | None = None) -> Tensor:
            models = self.moments(each[1], reference)
            asked = [self.reader.signal(signal, one, records, query) for one in models for query in range(each[0])]
            return asked[0] if len(asked) == 1 else torch.stack(asked, -1)

        target = of()
        reference = target.new_empty(len(target), len(self.references), *target.shape[1:])
        for j in range(len(self.references)):
            reference[:, j] = of(j)
        if inside is None:
            inside = torch.zeros(reference.shape[:2], dtype=torch.bool)
        if hidden is not None and hidden.any():
            which = shown(hidden)
            inside = inside.gather(1, which)
            reference = reference.take_along_dim(which.reshape(*which.shape, *(1,) * (target.ndim - 1)), 1)
        return Signals(target, reference, inside)


Attack = Callable[[View], Tensor]


def shown(hidden: Inside) -> Int[Tensor, "records shown"]:
    """For each record as many of the models that are not hidden as every record has."""
    order = hidden.to(torch.uint8).argsort(dim=1, stable=True)
    return order[:, : int((~hidden).sum(1).min())]


def learns(attack: Any) -> Any:
    """Marks an attack that takes its time, as it learns: it is played in few rehearsals."""
    attack.learns = True
    return attack


def rehearsed_by(how: Callable[..., Iterator[Scores]]) -> Callable[[Any], Any]:
    """Marks an attack that is played in rehearsals another way: ``how(view, **settings)`` yields its scores there."""

    def mark(attack: Any) -> Any:
        attack.rehearsed_by = how
        return attack

    return mark


def gives_log_odds(attack: Any) -> Any:
    """Marks an attack whose score is the log-odds of membership, under even odds, as learned in rehearsals."""
    attack.gives_log_odds = True
    return attack
