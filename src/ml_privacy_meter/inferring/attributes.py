"""What do hidden columns of records hold? The attribute game, played on a model and measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ml_privacy_meter import attribute, signals, targets
from ml_privacy_meter import records as records_room
from ml_privacy_meter._checks import InputError, in_range, one_of
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.attribute import Attack, AttributeGame, Known, View
from ml_privacy_meter.games import Game
from ml_privacy_meter.inferring.attribute_figures import measured
from ml_privacy_meter.inferring.filled_in import Side, filled
from ml_privacy_meter.inferring.hidden_columns import LABEL, Asked, Secret, codes_of, columns_of, secret_of, tabled
from ml_privacy_meter.types import Records

FEWEST = 50  # records of either kind, and of the adversary
ATTACKS = ("yeom", "csmia", "lomia", "imputation_times_model", "black_box", "neurons")
_CLASSES = 250  # more are handed to learners as numbers


def infer_attributes(
    model: Any,
    members: Any,
    non_members: Any,
    *,
    columns: Sequence[str | int],
    auxiliary: Any = None,
    drop: Sequence[str | int] = (),
    one_hot: Mapping[str, Sequence[str | int]] | None = None,
    categorical: Sequence[str | int] = (),
    attacks: Sequence[Attack | str] | None = None,
    bins: int = 10,
    tolerance: float | None = None,
    layer: str | int | None = None,
    most: int = 5000,
    top: float = 0.1,
    confidence: float = 0.95,
    seed: int = 0,
    device: str = "auto",
) -> tuple[Game, ...]:
    """One game for each hidden column: how well it is guessed with the model, and how well without.

    The adversary knows all other columns of a record but those in ``drop``, and its label.

    Args:
        columns: that are guessed, each by itself, the others known: names or numbers, the first is 0. A category that
            is kept one-hot goes by the beginning of its columns' names, or by what ``one_hot`` calls it.
        auxiliary: the adversary's own records, with the secret, as `as_records` takes them; None: a half of the
            non-members, drawn at random and not asked about.
        drop: columns that the adversary does not know either, such as those that give a secret away. Where the model
            takes them they are filled from the auxiliary record, with the same value of the secret, that is most like
            the record.
        one_hot: the columns of each category that is kept one-hot.
        categorical: columns whose numbers stand for categories, however many there are.
        attacks: functions of a `attribute.View`, or names of those in `attribute`; None: all that can be played.
        bins: a column of numbers with more different values is a quantity: so many candidates are its quantiles.
        tolerance: how far a guessed quantity may lie from the true one and be right; None: a tenth of the way from its
            5% quantile to its 95% quantile.
        layer: whose neurons are looked at; None: the one before the last that has parameters.
        most: at most so many members and non-members are asked about, and so many auxiliary records used.
        top: share of all guesses that count as the surest.

    Raises:
        InputError: a column is not there or cannot be guessed, or something given cannot be used.
    """
    in_range(0, 1, confidence=confidence, top=top)
    whole(2, bins=bins)
    whole(FEWEST, most=most)
    whole(0, seed=seed)
    if tolerance is not None and not 0 <= tolerance < inf:
        raise InputError(f"`tolerance` must be a number of at least 0, found {tolerance!r}.")
    named = [columns] if isinstance(columns, str | int) else list(columns)
    hidden = [drop] if isinstance(drop, str | int) else list(drop)
    if not named:
        raise InputError("`columns` must name at least one column to guess, found none.")
    stage = _staged(*_drawn(model, members, non_members, auxiliary, most, seed), layer=layer, seed=seed, device=device)
    played = stage.attacks(attacks)
    known = one_hot or {}
    dropped = [column for name in hidden for column in columns_of(name, stage.auxiliary, known)]
    codes = {column for name in categorical for column in columns_of(name, stage.auxiliary, known)}
    games = []
    for name in named:
        of = columns_of(name, stage.auxiliary, known)
        if twice := sorted(set(of) & set(dropped)):
            raise InputError(f"A column is either guessed or dropped, found `{twice[0]}` in both.")
        secret = secret_of(
            str(name), of, stage.auxiliary, bins=bins, tolerance=tolerance, codes=not codes.isdisjoint(of)
        )
        game, asked = stage.game(secret, dropped)
        games.append(measured(game, asked, played, games=len(named), top=top, confidence=confidence))
    return tuple(games)


@dataclass(frozen=True)
class _Stage:
    """A model, the records that it is asked about, and those of the adversary, as tables.

    Args:
        asked, auxiliary: their features.
        labels: of either.
        member: who is a member, among those asked about.
        groups: columns of those asked about, to report on separately.
        own: whether the auxiliary records were given; else they were cut from the non-members.
        dtype: of the tensors that the model takes; None: it takes DataFrames.
    """

    target: targets.Target
    reader: signals.Reader
    asked: pd.DataFrame
    auxiliary: pd.DataFrame
    labels: tuple[Tensor, Tensor]
    member: Tensor
    groups: Mapping[str, np.ndarray]
    own: bool
    dtype: torch.dtype | None
    layer: str | int | None
    seed: int

    @property
    def inside(self) -> str | int | None:
        """The layer whose neurons can be looked at; None where the model's inside is not seen."""
        if self.target.access != "parameters" or not (layers := list(signals.trainable(self.target))):
            return None
        return self.layer if self.layer is not None else layers[max(0, len(layers) - 2)]

    def attacks(self, attacks: Sequence[Attack | str] | None) -> list[Attack]:
        """Those that are named, or all that can be played."""
        if attacks is None:
            classes = self.labels[0].dtype == torch.int64
            cannot = {*(() if classes else ("csmia", "lomia")), *(("neurons",) if self.inside is None else ())}
            attacks = [name for name in ATTACKS if name not in cannot]
        return [
            getattr(attribute, one_of(one, (*ATTACKS, "prior", "imputation"), "attack"))
            if isinstance(one, str)
            else one
            for one in ([attacks] if isinstance(attacks, str) else attacks)
        ]

    def game(self, secret: Secret, dropped: Sequence[str]) -> tuple[AttributeGame, Asked]:
        """The game of one secret, and what its figures are taken of."""
        held = secret.place(self.auxiliary) >= 0
        auxiliary = self.auxiliary[held].reset_index(drop=True)
        place = torch.from_numpy(secret.place(auxiliary))
        labels = self.labels[0], self.labels[1][torch.from_numpy(held)]
        codes = codes_of(auxiliary, (*secret.columns, *dropped))
        known = [
            np.concatenate([codes.numbers(table), label.reshape(len(label), -1).double().numpy()], 1)
            for table, label in zip((self.asked, auxiliary), labels, strict=True)
        ]
        classes = labels[1].dtype == torch.int64 and int(torch.cat(labels).max()) < _CLASSES
        categorical = codes.categorical + (classes,) * (known[0].shape[1] - len(codes.categorical))
        fill = partial(filled, secret=secret, dropped=dropped, auxiliary=auxiliary, dtype=self.dtype)
        sides = [
            Side(
                self.target,
                self.reader,
                fill(table, numbers=(numbers, known[1]), categorical=categorical),
                label,
                layer=self.inside,
            )
            for table, numbers, label in zip((self.asked, auxiliary), known, labels, strict=True)
        ]
        spread = partial(sides[1].spread, place)
        shown = [
            Known(
                torch.from_numpy(numbers), label, partial(side.answers, spread), side.neurons if self.inside else None
            )
            for side, numbers, label in zip(sides, known, labels, strict=True)
        ]
        view = View(shown[0], shown[1], place, secret.candidates, categorical, self.seed)
        names = (*codes.categories, LABEL)
        asked = Asked(secret, self.asked, self.member, self.groups, names, tuple(dropped), self.own, auxiliary)
        return AttributeGame(view, secret.right(self.asked)), asked


@dataclass(frozen=True)
class _Drawn:
    """The records that are asked about, in an order that says nothing, and those of the adversary."""

    asked: Records
    auxiliary: Records
    member: Tensor
    groups: Mapping[str, np.ndarray]
    own: bool


def _drawn(
    model: Any, members: Any, non_members: Any, auxiliary: Any, most: int, seed: int
) -> tuple[targets.Target, _Drawn]:
    """The model set beside the records, and at most so many drawn of each kind."""
    opened = model if isinstance(model, targets.Opened) else targets.open_model(model)
    if opened.inner is targets.as_saved:
        raise InputError("Hidden columns are guessed by asking a model, found saved outputs alone. Name the model.")
    given = {"members": members, "non-members": non_members}
    given |= {} if auxiliary is None else {"auxiliary records": auxiliary}
    sides = [records_room.scan(records_room.as_records(of, name=name), name=name).records for name, of in given.items()]
    bare = [replace(side, groups={}, outputs=None, gives="", base=None, rows=None) for side in sides]
    target, inner, others = targets.fit(opened, bare[0], bare[1] if auxiliary is None else records_room.join(*bare[1:]))
    everyone, rng = records_room.join(inner, others), np.random.default_rng(seed)
    if everyone.labels.ndim > 1 and not everyone.labels.is_floating_point():
        raise InputError(
            "Hidden columns are guessed where a label is one class or a quantity, found several numbers a record."
        )
    inside, outside = rng.permutation(len(sides[0])), len(inner) + rng.permutation(len(sides[1]))
    pool = len(everyone) - 1 - rng.permutation(len(sides[-1]))
    if auxiliary is None:
        outside, pool = np.array_split(outside, 2)
    for name, rows in (("members", inside), ("non-members to ask about", outside), ("auxiliary records", pool)):
        if len(rows) < FEWEST:
            raise InputError(f"Hidden columns are guessed with {FEWEST} {name} or more, found {len(rows)}. Give more.")
    rows = rng.permutation(np.concatenate([inside[:most], outside[:most]]))
    groups = {name: np.concatenate([sides[0].groups[name], sides[1].groups[name]])[rows] for name in _shared(sides)}
    member = torch.from_numpy(rows < len(inner))
    return target, _Drawn(everyone.take(rows), everyone.take(pool[:most]), member, groups, auxiliary is not None)


def _shared(sides: list[Records]) -> list[str]:
    """The groups that members and non-members both have."""
    return sorted(set(sides[0].groups) & set(sides[1].groups))


def _staged(target: targets.Target, drawn: _Drawn, *, layer: str | int | None, seed: int, device: str) -> _Stage:
    """The records as tables, and the model that is asked about them."""
    asked, auxiliary = drawn.asked, drawn.auxiliary
    first = asked.x[slice(0, 1)]
    return _Stage(
        target=target,
        reader=signals.Reader(signals.Store(), device=device),
        asked=tabled(asked),
        auxiliary=tabled(auxiliary),
        labels=(asked.labels, auxiliary.labels),
        member=drawn.member,
        groups=drawn.groups,
        own=drawn.own,
        dtype=None if isinstance(first, pd.DataFrame) else first.dtype,
        layer=layer,
        seed=seed,
    )
