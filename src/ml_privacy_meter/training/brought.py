"""Reference models that were trained elsewhere: the models themselves, or only their saved outputs."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.training.references import References
from ml_privacy_meter.training.split import check_inside


def load_outputs(file: str | Path) -> References:
    """Reference models of which only the outputs were saved, in an .npz file.

    It holds ``logits`` or ``probabilities`` (models, records, classes) and ``inside`` (models, records); the records
    are the members and then the non-members.

    Raises:
        InputError: an array is missing, or of another shape or kind.
    """
    arrays = _arrays(Path(file))
    kinds = [name for name in ("logits", "probabilities") if name in arrays]
    if len(kinds) != 1 or "inside" not in arrays:
        found = ", ".join(sorted(arrays)) or "none"
        raise InputError(f"`{file}` must hold `inside` and either `logits` or `probabilities`, found: {found}.")
    outputs, inside = arrays[kinds[0]], arrays["inside"]
    if outputs.ndim != 3 or outputs.dtype.kind != "f" or not all(outputs.shape):
        raise InputError(
            f"`{kinds[0]}` of `{file}` must be floating numbers (models, records, classes), found {outputs.dtype} of "
            f"shape {outputs.shape}."
        )
    if inside.shape != outputs.shape[:2]:
        raise InputError(
            f"`inside` of `{file}` must say for each of {outputs.shape[0]} models and {outputs.shape[1]} records "
            f"whether it was trained on it, found the shape {inside.shape}."
        )
    _check_outputs(outputs, kinds[0], file)
    where = check_inside(inside.T, records=outputs.shape[1], models=len(outputs), what=f"`inside` of `{file}`")
    return References(
        models=(),
        members=where,
        non_members=where[:0],
        outputs=torch.from_numpy(outputs),
        gives=kinds[0],
        says={"count": len(outputs), "trained": f"elsewhere; their {kinds[0]} were saved"},
    )


def _arrays(file: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(file, allow_pickle=False) as found:
            return {name: found[name] for name in found}
    except FileNotFoundError as error:
        raise InputError(f"There must be an .npz file of reference outputs at `{file}`, found nothing.") from error
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error, TypeError, AttributeError) as error:
        raise InputError(
            f"`{file}` is not a whole .npz file of plain arrays ({error!s:.200}). Save it again with np.savez."
        ) from error


def _check_outputs(outputs: np.ndarray, kind: str, file: str | Path) -> None:
    for model, found in enumerate(outputs):
        good = np.isfinite(found).all(1)
        if kind == "probabilities":
            good &= (found >= 0).all(1) & (found <= 1).all(1) & (np.abs(found.sum(1, dtype=float) - 1) < 1e-2)
        if not good.all():
            row = int(np.flatnonzero(~good)[0])
            must = "be finite" if kind == "logits" else "lie in [0, 1] and sum to one"
            raise InputError(
                f"`{kind}` of `{file}` must {must}, found {found[row].tolist()!s:.200} for model {model}, record {row} "
                "(the first are 0)."
            )


def own_references(
    models: Sequence[Any], members: Any, non_members: Any, *, snapshots: Sequence[Sequence[Any]] = ()
) -> References:
    """Models that the user trained, and what each was trained on.

    Args:
        models: each is what `open_model` takes.
        members, non_members: inside, (records, models), of the audit's members and non-members in their order.
        snapshots: of each model, the same at earlier moments of its training, the oldest first: as many as the target
            was seen at (the ``snapshots`` of the audit, or the rounds of its ``trace``), after as many steps.

    Raises:
        InputError: a matrix has another shape, or a model was trained on none of the records.
    """
    models = tuple(models)
    sides = [
        side.detach().cpu().numpy() if isinstance(side, Tensor) else np.asarray(side) for side in (members, non_members)
    ]
    for side, name in zip(sides, ("members", "non_members"), strict=True):
        if side.ndim != 2 or side.shape[1] != len(models):
            raise InputError(f"`{name}` must have a column for each of {len(models)} models, found {side.shape}.")
    inside = check_inside(np.concatenate(sides), records=len(sides[0]) + len(sides[1]), models=len(models))
    says = {"count": len(models), "trained": "by the user"}
    earlier = tuple(map(tuple, snapshots))
    return References(models, inside[: len(sides[0])], inside[len(sides[0]) :], says=says, snapshots=earlier)
