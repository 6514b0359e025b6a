"""How a finished reference model becomes a file, and how that file is opened again."""

import copy
import importlib
import io
import tempfile
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._extras import extra
from ml_privacy_meter.targets import Opened, open_model
from ml_privacy_meter.targets.estimator import Estimator, is_estimator
from ml_privacy_meter.targets.keras import is_keras
from ml_privacy_meter.targets.pytorch import open_exported, open_module
from ml_privacy_meter.targets.reading import finer, tensor_of
from ml_privacy_meter.targets.target import Feed
from ml_privacy_meter.types import Batch

VOUCHED = frozenset({"sklearn", "numpy", "scipy", "xgboost", "lightgbm"})
_PROBED = 16
_NEVER = 30.0  # a class that an estimator never saw lies this far below all others, where it gives no probabilities


@dataclass(frozen=True)
class Made:
    """A finished model as it is kept: the kind of file, and its bytes."""

    suffix: str
    content: bytes


def made_of(model: Any, batch: Any, packages: Collection[str]) -> Made:
    """A trained model as a file that opens without running anybody's code.

    Args:
        batch: some records as they were trained on.
        packages: those whose types an estimator may be built of.

    Raises:
        InputError: it is of no kind that can be kept so.
    """
    if type(model).__module__.startswith("opacus."):  # a wrapper that cannot be exported; its inside can
        model = getattr(model, "_module", model)
    if is_keras(model):
        return Made("keras", _through_file(model.save, "keras"))
    if isinstance(model, nn.Module):
        return _exported(model, torch.from_numpy(batch) if isinstance(batch, np.ndarray) else batch)
    if is_estimator(model):
        return _estimator(model, packages)
    raise InputError(
        "A training function must return an nn.Module, a Keras model or an estimator with `predict_proba`, "
        f"`decision_function` or `predict`, found a {type(model).__name__}. Return the trained model itself."
    )


def open_kept(file: Path, packages: Collection[str], classes: tuple[str, ...] | None) -> Opened:
    """The model in a file that `made_of` made.

    Args:
        classes: the names of the target's columns in their order, for an estimator; see `aligned`.
    """
    if file.suffix != ".skops":
        return open_model(file)
    types = _types(extra("skops.io", "sklearn", "Opening a reference model").get_untrusted_types(file=file), packages)
    return aligned(open_model(file, trusted=types), classes)


@dataclass(frozen=True)
class Aligned:
    """batch -> what an estimator gives, with one column for each of other classes.

    Args:
        places: the column of each class that the estimator knows.
        wide: how many columns there are.
    """

    inner: Estimator
    places: np.ndarray
    wide: int

    def __call__(self, batch: Batch) -> np.ndarray:
        answer = self.inner(batch)
        if answer.ndim == 1:  # the decision for the second of two classes
            answer = np.stack([np.zeros_like(answer), answer], axis=1)
        never = 0.0 if self.inner.method == "predict_proba" else answer.min(axis=1, keepdims=True) - _NEVER
        columns = np.zeros((len(answer), self.wide), answer.dtype) + never
        columns[:, self.places] = answer
        return columns


def aligned(opened: Opened, classes: tuple[str, ...] | None) -> Opened:
    """An estimator with the target's columns: in the target's order, and with those of classes that it never saw.

    Raises:
        InputError: it knows a class that the target does not.
    """
    own = opened.classes
    if classes is None or own is None or own == classes or not isinstance(opened.inner, Estimator):
        return opened
    strange = [name for name in own if name not in classes]
    if strange:
        raise InputError(
            f"Reference models must know no class that the target does not, found {', '.join(strange[:10])}. Train "
            "them on records with the target's labels."
        )
    places = np.array([classes.index(name) for name in own])
    return replace(opened, inner=Aligned(opened.inner, places, len(classes)), classes=classes)


def _estimator(model: Any, packages: Collection[str]) -> Made:
    io = extra("skops.io", "sklearn", "Keeping a reference model")
    try:
        content: bytes = io.dumps(model)
        _types(io.get_untrusted_types(data=content), packages)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"A reference model must be kept, and skops cannot write this {type(model).__name__}: {error!s:.300}. Give "
            "it parameters that are plain values and named functions."
        ) from error
    return Made("skops", content)


def _types(found: list[str], packages: Collection[str]) -> list[str]:
    """The types that a file builds, each vouched for by its package."""
    strange = [name for name in found if not _vouched(name, packages)]
    if strange:
        raise InputError(
            f"A reference model may be built of types of {', '.join(sorted(packages))}, found {', '.join(strange)}. "
            "Define these types in the package of your training function, or return a model without them."
        )
    return found


def _vouched(name: str, packages: Collection[str]) -> bool:
    """Whether a package defines it; of others' packages classes alone: their functions may run any text or file."""
    if name == "collections.OrderedDict":
        return True
    module, _, attribute = name.rpartition(".")
    if module.split(".")[0] not in packages:
        return False
    found = getattr(importlib.import_module(module), attribute, None)
    root = (getattr(found, "__module__", None) or "").split(".")[0]
    return root in (packages if isinstance(found, type) else set(packages) - VOUCHED)


def _exported(model: nn.Module, batch: Any) -> Made:
    """An exported program that takes any number of records, and was seen to answer as the module does."""
    module = copy.deepcopy(model).cpu().eval()
    fed = _fed(module, batch[: max(2, min(len(batch), _PROBED))])
    wanted = _answer(module, fed)
    if not wanted.isfinite().all():
        raise InputError(
            f"A trained model must answer with finite numbers, found {wanted[0].tolist()!s:.200} from this "
            f"{type(model).__name__}. Did its training diverge? Choose a smaller learning rate."
        )
    dynamic = ({0: torch.export.Dim("records")},)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about its own inside
            content = io.BytesIO()
            torch.export.save(torch.export.export(module, (fed,), dynamic_shapes=dynamic), content)
            found = _through_file(lambda file: file.write_bytes(content.getvalue()), "pt2", open_exported)
            same = torch.allclose(wanted, _answer(found.inner, fed), rtol=1e-3, atol=1e-4)
    except Exception as error:
        raise _not_exported(model, (str(error).strip().splitlines() or [type(error).__name__])[0][:300]) from error
    if not same:
        raise _not_exported(model, "the exported program answers otherwise")
    return Made("pt2", content.getvalue())


def _not_exported(model: nn.Module, why: str) -> InputError:
    return InputError(
        f"A reference model must be kept, and torch.export cannot write this {type(model).__name__}: {why}. Give a "
        "recipe in place of the function, which needs no export, or a module without Python that hangs on the data."
    )


def _fed(module: nn.Module, batch: Batch) -> Tensor:
    """The batch in the first form that the module takes."""
    opened = open_module(module, content="probe")
    errors = []
    for integers in (None, torch.int64, opened.dtype or torch.float32):
        fed = Feed(opened, integers)(batch)
        try:
            _answer(module, fed)
        except Exception as error:
            errors.append(error)
        else:
            return fed  # type: ignore[return-value]
    raise InputError(
        "A trained model must take the records that it was trained on, as they are, and this "
        f"{type(module).__name__} refuses a batch of the shape {tuple(batch.shape)}: {errors[0]!s:.300}. Put what is "
        "done to the records before into its `forward`."
    ) from errors[0]


def _answer(module: Any, fed: Any) -> Tensor:
    with torch.no_grad():
        return finer(tensor_of(module(fed), len(fed)))


def _through_file(write: Callable[[Path], Any], suffix: str, read: Callable[[Path], Any] = Path.read_bytes) -> Any:
    """What ``read`` finds in a file that ``write`` wrote."""
    with tempfile.TemporaryDirectory(prefix="privacy-meter-") as folder:
        file = Path(folder) / f"model.{suffix}"
        write(file)
        return read(file)
