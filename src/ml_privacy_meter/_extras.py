"""Packages that not everybody needs, imported where they are used."""

import importlib
from types import ModuleType

from ml_privacy_meter._checks import InputError


def extra(module: str, name: str, purpose: str) -> ModuleType:
    """The imported ``module``, or an `InputError` that says which extra to install."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name != module.split(".")[0]:
            hint = " It runs on PyTorch: set KERAS_BACKEND=torch." if module == "keras" else ""
            raise InputError(f"{purpose} asks for `{missing.name}`, which is not installed.{hint}") from missing
        raise InputError(
            f"{purpose} needs the package `{missing.name}`, which is not installed. "
            f"Install it with: pip install 'ml-privacy-meter[{name}]'"
        ) from missing
