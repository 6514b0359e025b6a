"""Estimators in the manner of scikit-learn, in memory or kept by skops."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._extras import extra
from ml_privacy_meter.targets import key
from ml_privacy_meter.targets.target import Opened
from ml_privacy_meter.types import Batch

_GIVES = {"predict_proba": "probabilities", "decision_function": "logits", "predict": "values"}


@dataclass(frozen=True)
class Estimator:
    """batch -> what one method of the estimator gives for it."""

    model: Any
    method: str

    def __call__(self, batch: Batch) -> np.ndarray:
        answer = getattr(self.model, self.method)(self._table(batch))
        if isinstance(answer, list):  # one two-class answer for each of several labels
            if any(part.shape[1] != 2 for part in answer):
                raise InputError(
                    "An estimator of several labels must know each of them as yes or no, found columns of "
                    f"{[part.shape[1] for part in answer]} classes."
                )
            answer = np.stack([part[:, 1] for part in answer], axis=1)
        return np.asarray(answer)

    def _table(self, batch: Batch) -> pd.DataFrame | np.ndarray:
        """The batch in the form that the estimator was fitted on, by columns or by position."""
        names = getattr(self.model, "feature_names_in_", None)
        if isinstance(batch, pd.DataFrame):
            return self._columns(batch, names)
        array = batch.detach().cpu().numpy()
        if names is not None and array.ndim == 2 and array.shape[1] == len(names):
            return pd.DataFrame(array, columns=list(names))
        return array

    def _columns(self, frame: pd.DataFrame, names: Any) -> pd.DataFrame | np.ndarray:
        if names is None:
            numbers = all(kind.kind in "biuf" for kind in frame.dtypes)
            return frame.to_numpy() if numbers else frame
        missing = [str(name) for name in names if name not in frame.columns]
        if missing:
            raise InputError(
                "The estimator was fitted on columns that the records do not have: "
                f"{', '.join(missing[:10])}; found {', '.join(map(str, frame.columns[:10]))}."
            )
        return frame[list(names)]


def is_estimator(model: Any) -> bool:
    return any(callable(getattr(model, method, None)) for method in _GIVES)


def open_estimator(model: Any, *, kind: str = "", content: str = "") -> Opened:
    """A fitted estimator; its probabilities, else its decision function, else its predictions.

    Raises:
        InputError: a classifier that gives labels only.
    """
    from sklearn.base import is_regressor

    method = next(name for name in _GIVES if callable(getattr(model, name, None)))
    name = type(model).__name__
    classes = getattr(model, "classes_", None)
    if method == "predict" and classes is not None:
        raise InputError(
            f"A classifier must give probabilities or a decision function, {name} gives labels only. Wrap "
            "it, for instance in sklearn.calibration.CalibratedClassifierCV fitted on its own training set."
        )
    several = isinstance(classes, list) or classes is None
    width = getattr(model, "n_features_in_", None)
    return Opened(
        Estimator(model, method),
        kind or f"{name} ({method})",
        content or _hash(model),
        takes="" if width is None else f"{width} features a record",
        tensors=False,
        gives="auto" if method == "predict" and not is_regressor(model) else _GIVES[method],
        task="regression" if method == "predict" and is_regressor(model) else "auto",
        classes=None if several else tuple(_name(label) for label in np.asarray(classes)),
    )


def _hash(model: Any) -> str:
    import joblib

    try:
        return joblib.hash(model) or ""
    except Exception:  # a function in it that cannot be written down: its content is not known
        return ""


def open_skops(path: Path, *, trusted: Sequence[str]) -> Opened:
    """The estimator in a file of `skops.io.dump`; only types that skops or the user trusts are built."""
    io = extra("skops.io", "sklearn", f"Opening `{path}`")
    try:
        unknown = sorted(io.get_untrusted_types(file=path))
    except Exception as error:
        raise InputError(f"`{path}` is corrupt ({error}). Save it again with skops.io.dump.") from error
    strange = [name for name in unknown if name not in trusted]
    if strange:
        listed = ", ".join(f'"{name}"' for name in strange)
        raise InputError(
            f"`{path}` builds objects of types that nobody has vouched for: {', '.join(strange)}. If you "
            f"know them, say `trusted = [{listed}]` in a run file or in Python, or `--trusted` for each."
        )
    try:
        model = io.load(path, trusted=unknown)
    except Exception as error:
        raise InputError(
            f"`{path}` cannot be opened ({error}). Save it again with the installed scikit-learn."
        ) from error
    if not is_estimator(model):
        raise InputError(f"`{path}` must hold an estimator, found a {type(model).__name__}.")
    return open_estimator(model, content=key.of_files(path))


def _name(label: Any) -> str:
    if isinstance(label, bool | np.bool_):
        return str(int(label))
    return str(int(label)) if isinstance(label, float | np.floating) and float(label).is_integer() else str(label)
