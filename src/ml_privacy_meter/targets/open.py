"""Opens a model in whichever form it arrives."""

import importlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import nn

from ml_privacy_meter._checks import InputError, one_of
from ml_privacy_meter.targets import archive, key
from ml_privacy_meter.targets.completions import Completions
from ml_privacy_meter.targets.estimator import is_estimator, open_estimator, open_skops
from ml_privacy_meter.targets.huggingface import is_folder, open_folder
from ml_privacy_meter.targets.keras import is_keras, open_keras, open_keras_file
from ml_privacy_meter.targets.language import LanguageModel
from ml_privacy_meter.targets.onnx import open_onnx
from ml_privacy_meter.targets.pytorch import load_weights, open_exported, open_module, open_program, open_torchscript
from ml_privacy_meter.targets.service import Service
from ml_privacy_meter.targets.target import Opened
from ml_privacy_meter.targets.url import open_url

_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def open_model(
    model: Any,
    *,
    weights: str | Path | None = None,
    base: str | Path | None = None,
    preprocess: Callable[[Any], Any] | str | None = None,
    outputs: str = "auto",
    task: str = "auto",
    classes: Sequence[Any] | str | None = None,
    trusted: Sequence[str] = (),
    output_name: str | None = None,
    request: Any = None,
    response: str = "@",
    headers: Mapping[str, str] | None = None,
    batch_size: int = 32,
    timeout: float = 30.0,
    retries: int = 8,
    backoff: float = 0.5,
    rate: float | None = None,
    budget: int | None = None,
    answers: MutableMapping[str, list[float]] | None = None,
) -> Opened:
    """The model as it arrived; `fit` then sets it beside records.

    Args:
        model: an `nn.Module`, an exported program, an estimator, a `LanguageModel`, any callable batch -> array; a file
            (.pt2, TorchScript, .skops, .onnx, .keras); a folder of Hugging Face (a language model, or an adapter);
            "package.module:factory"; "https://..." (a language model where that ends in "/completions"); or None: its
            outputs were saved beside the records.
        weights: safetensors, or plain weights of `torch.save`, to fill what a factory builds.
        base: the folder of the language model that an adapter was trained on, where its own note does not lead there.
        preprocess: batch -> batch, or "package.module:function".
        outputs: "logits", "probabilities" or "values"; "auto": told by what they look like.
        task: "classes", "labels" (several at once) or "regression"; "auto": told by the labels.
        classes: names of the classes in the order of the outputs; "sorted": the labels' own, sorted.
        trusted: types that a .skops file may build beside those that skops knows.
        output_name: which output of an ONNX model to read.
        request, response, headers, batch_size, timeout, retries, backoff, rate, budget: see `Service`.
        answers: where the answers of a model behind HTTP are kept.

    Raises:
        InputError: it is no model, is corrupt, or could only be opened by running what a stranger wrote.
    """
    if model is None:
        opened = Opened(as_saved, "saved outputs", key="saved outputs")
    elif isinstance(model, str) and re.match(r"https?://", model):
        service = Service(
            model, _template(request), response, headers, batch_size, timeout, retries, backoff, rate, budget
        )
        texts = urlsplit(model).path.rstrip("/").endswith("/completions") and "/chat/" not in model
        opened = _language(Completions(service, answers=answers)) if texts else open_url(service, answers=answers)
    elif isinstance(model, str) and _FACTORY.fullmatch(model):
        opened = _built(model, None if weights is None else Path(weights))
    elif weights is not None:
        raise InputError(f"`weights` fill what a `package.module:factory` builds, found {model!r:.80}.")
    elif isinstance(model, str | Path):
        opened = _file(Path(model), base=base, trusted=trusted, output_name=output_name)
    else:
        opened = _object(model)
    return _set(opened, preprocess, outputs, task, classes)


def as_saved(outputs: Any) -> Any:
    """Stands in for a model whose outputs were saved: what it is asked about are the outputs."""
    return outputs


def _set(
    opened: Opened,
    preprocess: Callable[[Any], Any] | str | None,
    outputs: str,
    task: str,
    classes: Sequence[Any] | str | None,
) -> Opened:
    """The opened model with what the user said about it in place of what it says itself."""
    one_of(outputs, ("auto", "logits", "probabilities", "values"), "kind of `outputs`")
    one_of(task, ("auto", "classes", "labels", "regression"), "`task`")
    before = named(preprocess, "preprocess") if isinstance(preprocess, str) else preprocess
    return replace(
        opened,
        gives=opened.gives if outputs == "auto" else outputs,
        task=opened.task if task == "auto" else task,
        classes=opened.classes if classes is None else _names(classes),
        before=before,
        before_key="" if before is None else key.of_function(before),
    )


def _file(path: Path, *, base: str | Path | None, trusted: Sequence[str], output_name: str | None) -> Opened:
    if is_folder(path):
        return _language(open_folder(path, base=base))
    kind = archive.kind_of(path)
    for name, given, takes in (("trusted", trusted, "skops"), ("output_name", output_name, "onnx")):
        if given and kind != takes:
            raise InputError(f"`{name}` is a setting of .{takes} files, and `{path}` is none. Leave it out.")
    if kind == "exported":
        return open_exported(path)
    if kind == "torchscript":
        return open_torchscript(path)
    if kind == "skops":
        return open_skops(path, trusted=trusted)
    if kind == "keras":
        return open_keras_file(path)
    return open_onnx(path, output_name=output_name)


def _language(model: LanguageModel | Completions) -> Opened:
    return Opened(model, model.kind, model.key, tensors=False)


def _object(model: Any) -> Opened:
    if isinstance(model, LanguageModel):
        return _language(model)
    if is_keras(model):
        return open_keras(model)
    if isinstance(model, nn.Module):
        return open_module(model)
    if isinstance(model, torch.export.ExportedProgram):
        return open_program(model)
    if is_estimator(model) and not inspect.isclass(model):
        return open_estimator(model)
    if callable(model) and not inspect.isclass(model):
        name = getattr(model, "__name__", type(model).__name__)
        return Opened(model, f"callable {name}", tensors=False)
    raise InputError(
        "A model must be an nn.Module, an estimator, a callable, a file, a `package.module:factory` or a "
        f"URL, found {model!r:.80}."
    )


def _built(name: str, weights: Path | None) -> Opened:
    factory = named(name, "model")
    try:
        with torch.random.fork_rng(devices=[]):  # new weights are drawn, and then overwritten
            model = factory()
    except Exception as error:
        raise InputError(f"`{name}` must build the model without arguments, it failed: {error!r:.200}.") from error
    if weights is None:
        return _object(model)
    if not isinstance(model, nn.Module):
        raise InputError(f"`{name}` must build an nn.Module to be filled with weights, found a {type(model).__name__}.")
    load_weights(model, weights)
    source = inspect.getsourcefile(inspect.unwrap(factory))
    sources = [Path(source)] if source and Path(source).is_file() else []
    content = key.digest(key.of_weights(model), key.of_files(weights, *sources))
    return open_module(model, kind=f"PyTorch module of {name}", content=content)


def named(name: str, setting: str) -> Callable[..., Any]:
    """What `package.module:function` names; it may lie in the folder that the user stands in."""
    module, _, attribute = name.partition(":")
    sys.path.insert(0, "")
    try:
        found = getattr(importlib.import_module(module), attribute, None) if attribute else None
    except Exception as error:  # whatever the user's own module raises
        raise InputError(
            f"`{setting}` must name a function as `package.module:function`, `{name}` cannot be imported: "
            f"{error!r:.200}."
        ) from error
    finally:
        sys.path.remove("")
    if not callable(found):
        raise InputError(f"`{setting}` must name a function as `package.module:function`, `{name}` names none.")
    return found  # type: ignore[no-any-return]


def _names(classes: Sequence[Any] | str) -> tuple[str, ...] | str:
    return classes if isinstance(classes, str) else tuple(map(str, classes))


def _template(request: Any) -> Any:
    """The shape of a request: a table as in a run file, or JSON in a string."""
    if not isinstance(request, str) or request in ("$record", "$records"):
        return request
    try:
        return json.loads(request)
    except json.JSONDecodeError as error:
        raise InputError(f"`request` must be JSON, found {request[:80]!r} ({error}).") from error
