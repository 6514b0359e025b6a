"""Models of Keras 3 on its torch backend, where each of them is an `nn.Module`."""

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._extras import extra
from ml_privacy_meter.targets import key
from ml_privacy_meter.targets.target import Opened


class Keras(nn.Module):
    """A Keras model that answers as in use, wherever its weights are."""

    wraps = "model"

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Tensor) -> Any:
        import keras

        # Keras moves what it is given to a device of its own choice
        device = next((str(weight.device) for weight in self.model.parameters()), "cpu")
        with keras.device(device):
            return self.model(batch, training=False)


def is_keras(model: Any) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(model, keras.Model)


def open_keras(model: Any, *, content: str = "") -> Opened:
    """A Keras model in memory.

    Raises:
        InputError: Keras runs on another backend than torch.
    """
    _on_torch()
    # the model's name counts up with each model that is built, so it stays out of the key
    known = content or key.digest(model.to_json(), key.of_weights(model))
    shape = getattr(model, "input_shape", None)
    dtype = next((weight.dtype for weight in model.parameters() if weight.is_floating_point()), torch.float32)
    takes = "" if shape is None else f"a batch of {' x '.join('records' if n is None else str(n) for n in shape)}"
    return Opened(Keras(model), "Keras model", known, takes=takes, dtype=dtype)


def open_keras_file(path: Path) -> Opened:
    """The model in a `.keras` file; code in it (a Lambda layer) is refused."""
    os.environ.setdefault("KERAS_BACKEND", "torch")  # Keras reads it once, when it is first imported
    keras = extra("keras", "keras", f"Opening `{path}`")
    _on_torch()
    try:
        with warnings.catch_warnings():
            # Keras hands NumPy arrays that lack an argument which NumPy 2 asks for
            warnings.filterwarnings("ignore", message=".*__array__ implementation", category=DeprecationWarning)
            model = keras.saving.load_model(path, safe_mode=True, compile=False)
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300].rstrip(".")
        raise InputError(
            f"`{path}` cannot be opened: it is corrupt, or needs code of its own, which is not run ({first})."
        ) from error
    return open_keras(model, content=key.of_files(path))


def _on_torch() -> None:
    import keras

    backend = keras.config.backend()
    if backend != "torch":
        raise InputError(
            f"Keras must run on its torch backend, it was imported on {backend}. Set KERAS_BACKEND=torch "
            "before Keras is imported."
        )
