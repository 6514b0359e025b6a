"""Was any point within a range around the record a member? What is left of it to who holds only a near copy."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.membership.bavaria import bavaria
from ml_privacy_meter.membership.view import Attack, View
from ml_privacy_meter.types import Batch, Index, Model, Reads, Records, Rows, Signal

Range = Callable[[Records, int], Records]


def range_membership(
    view: View,
    *,
    attack: Attack = bavaria,
    points: Range | None = None,
    queries: int = 18,
    held: Callable[[Records], Records] | None = None,
    lowest: float = 0.0,
    highest: float = 0.0,
) -> Float[Tensor, " records"]:
    """Trimmed mean of an attack's scores of points in a range around each record, in that attack's unit.

    Sees: what ``attack`` sees, of every point of each range in place of the record.

    Source: Tao and Shokri, Range Membership Inference Attacks, SaTML 2025. Each record's scores are sorted; the shares
    ``lowest`` and ``highest`` of them, rounded down, are left out and the others averaged. Theirs are left out at one
    end, which and how many chosen for each kind of data; here none by default, since with `bavaria` trimming cost more
    than it gained. A reference model that was trained on a record counts as trained on its range.

    Args:
        attack: scores one point, asked about once; theirs is `rmia`.
        points: point k of each record's range, 0 being the record itself: `noise`, `resampled`, or a function of yours
            that does not hang on where a record stands. None: an image, mirrored and moved (18 forms).
        queries: points in a range.
        held: what the adversary holds of the records, such as near copies; it is the centre of the range. None: the
            records themselves.
        lowest: share of the points that is left out for its low scores.
        highest: the same for high scores.
    """
    if queries < 1 or not (lowest >= 0 and highest >= 0 and lowest + highest < 1):
        raise InputError(
            "`queries` must be 1 or more, `lowest` and `highest` 0 or more and below 1 together, found "
            f"{queries}, {lowest} and {highest}."
        )
    centred = view if held is None else replace(view, records=held(view.records))
    score = torch.stack([torch.as_tensor(attack(_at(centred, points, k))) for k in range(queries)], 1)
    kept = slice(int(lowest * queries), queries - int(highest * queries))
    return score.double().sort(1).values[:, kept].mean(1)


def noise(scale: float, *, seed: int = 0) -> Range:
    """A range for numbers: point k is the record plus Gaussian noise of this size, the same noise for every record.

    Of a data frame, the columns of floating-point numbers.
    """
    in_range(0, math.inf, scale=scale)

    def noise(records: Records, k: int) -> Records:
        rng = torch.Generator().manual_seed(seed * 1_000_003 + k)
        step = scale * torch.randn(records.x[slice(0, 1)].shape[1:], generator=rng)

        def add(x: Batch) -> Batch:
            if isinstance(x, pd.DataFrame):
                by = zip(x.columns, step.numpy(), strict=True)
                return x.assign(**{name: x[name] + n for name, n in by if x[name].dtype.kind == "f"})
            if not x.is_floating_point():
                raise InputError(f"`noise` is for floating-point inputs, found {x.dtype}. Give other `points`.")
            return x + step.to(x.dtype)

        return _moved(records, add, f"{records.key} noise {scale} {seed} {k}" if records.key else "") if k else records

    return noise


def resampled(source: Any, columns: Sequence[Any], *, seed: int = 0) -> Range:
    """A range for unknown columns: point k has those of one row of ``source``, the same row for every record.

    ``source`` is a batch, such as of other people's records.
    """
    order = torch.randperm(len(source), generator=torch.Generator().manual_seed(seed))

    def resampled(records: Records, k: int) -> Records:
        row = int(order[(k - 1) % len(source)])

        def fill(x: Batch) -> Batch:
            if isinstance(x, pd.DataFrame):
                return x.assign(**{name: source[name].iloc[row] for name in columns})
            x = x.clone()
            x[:, columns] = source[row, columns].to(x.dtype)
            return x

        return _moved(records, fill, "") if k else records

    return resampled


@dataclass(frozen=True)
class _Moved:
    """Inputs of other records, changed batch by batch."""

    of: Rows
    by: Callable[[Batch], Batch]

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, index: Index) -> Batch:
        return self.by(self.of[index])


@dataclass(frozen=True)
class _InForm:
    """A reader that asks about every record in one form."""

    reader: Reads
    form: int

    def signal(self, signal: Signal, model: Model, records: Records, query: int = 0) -> Tensor:
        if query:
            raise InputError("`attack` must ask about each point of a range once. Set its `queries` to 1.")
        return self.reader.signal(signal, model, records, self.form)


def _moved(records: Records, by: Callable[[Batch], Batch], key: str) -> Records:
    return replace(records, x=_Moved(records.x, by), outputs=None, key=key, base=None, rows=None)


def _at(view: View, points: Range | None, k: int) -> View:
    if points is None:
        return replace(view, reader=_InForm(view.reader, k))
    population = None if view.population is None else points(view.population, k)
    return replace(view, records=points(view.records, k), population=population)
