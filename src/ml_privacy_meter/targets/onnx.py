"""Models in the ONNX form, run by onnxruntime."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._extras import extra
from ml_privacy_meter.targets import key
from ml_privacy_meter.targets.target import Opened, chunks
from ml_privacy_meter.types import Batch

_TYPES = {
    "float": np.float32, "double": np.float64, "float16": np.float16, "int64": np.int64, "int32": np.int32,
    "int16": np.int16, "int8": np.int8, "uint8": np.uint8, "bool": np.bool_, "string": np.object_,
}  # fmt: skip
_FLOATS = ("tensor(float)", "tensor(double)", "tensor(float16)")
_MAP = re.compile(r"seq\(map\((\w+),tensor\(\w+\)\)\)")


class Onnx:
    """batch -> one output of an ONNX model.

    Args:
        session: of onnxruntime.
        output: which of its outputs.
    """

    def __init__(self, session: Any, output: str) -> None:
        self.session = session
        self.output = output
        self.inputs = {place.name: place for place in session.get_inputs()}
        sizes = [place.shape[0] for place in self.inputs.values() if place.shape]
        self.size = next((size for size in sizes if isinstance(size, int)), None)
        self.classes: tuple[str, ...] | None = None  # known once an answer has named them

    def __call__(self, batch: Batch) -> np.ndarray:
        fed = self._fed(batch)
        if self.size is None:
            return self._ask(fed)
        limits = chunks(len(batch), least=self.size, most=self.size)
        return np.concatenate([self._ask({k: v[rows] for k, v in fed.items()})[:kept] for rows, kept in limits])

    def _fed(self, batch: Batch) -> dict[str, np.ndarray]:
        if len(self.inputs) == 1:
            name, place = next(iter(self.inputs.items()))
            array = batch.detach().cpu().numpy() if isinstance(batch, Tensor) else batch.to_numpy()
            return {name: _cast(array, place)}
        columns = set(batch.columns) if isinstance(batch, pd.DataFrame) else set()
        missing = [name for name in self.inputs if name not in columns]
        if not isinstance(batch, pd.DataFrame) or missing:
            raise InputError(
                f"The ONNX model takes {len(self.inputs)} inputs, one a column; the records lack "
                f"{', '.join(missing[:10])}."
            )
        return {name: _cast(batch[name].to_numpy()[:, None], place) for name, place in self.inputs.items()}

    def _ask(self, fed: dict[str, np.ndarray]) -> np.ndarray:
        (answer,) = self.session.run([self.output], fed)
        if (
            isinstance(answer, list) and answer and isinstance(answer[0], Mapping)
        ):  # one map from class to probability each
            self.classes = tuple(map(str, answer[0]))
            return np.array([[row[name] for name in answer[0]] for row in answer], dtype=np.float32)
        return np.asarray(answer)


def open_onnx(path: Path, *, output_name: str | None = None) -> Opened:
    """The model in an ONNX file, with as many threads as torch uses.

    Raises:
        InputError: the file is corrupt, or none or several of its outputs could be the one to read.
    """
    runtime = extra("onnxruntime", "onnx", f"Opening `{path}`")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [name for name in wanted if name in runtime.get_available_providers()]
    try:
        session = runtime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")
        raise InputError(f"`{path}` cannot be opened as ONNX: it is corrupt or incomplete ({first}).") from error
    inner = Onnx(session, _output(session, path, output_name))
    places = [f"{place.name} {place.shape} {place.type}" for place in inner.inputs.values()]
    kinds = sorted({place.type for place in inner.inputs.values()})
    return Opened(
        inner,
        f"ONNX model ({', '.join(kinds)} to {inner.output})",
        key.digest(key.of_files(path, *_beside(path)), inner.output),
        takes=", ".join(places[:5]) + (", ..." if len(places) > 5 else ""),
        tensors=False,
    )


def _output(session: Any, path: Path, wanted: str | None) -> str:
    outputs: dict[str, str] = {place.name: place.type for place in session.get_outputs()}
    listed = ", ".join(f"{name} ({kind})" for name, kind in outputs.items())
    if wanted is not None:
        if wanted not in outputs:
            raise InputError(f"`{path}` has no output `{wanted}`. It has {listed}.")
        return wanted
    fit = [name for name, kind in outputs.items() if kind in _FLOATS or _MAP.fullmatch(kind)]
    if not fit:
        raise InputError(
            f"`{path}` must give logits, probabilities or quantities, found only {listed}. Export it with "
            "its probabilities."
        )
    if len(fit) > 1:
        raise InputError(f"`{path}` has several outputs that could be read: {listed}. Name one as `output_name`.")
    return fit[0]


def _cast(array: np.ndarray, place: Any) -> np.ndarray:
    """The records as the model declares them; never a fraction cut off."""
    wanted = np.dtype(_TYPES.get(place.type.removeprefix("tensor(").removesuffix(")"), np.float32))
    if array.dtype.kind == "f" and wanted.kind in "iub":
        raise InputError(
            f"The ONNX model's input `{place.name}` takes {wanted} and the records are {array.dtype}. Give "
            "them as whole numbers."
        )
    if wanted.kind == "O":
        return array.astype(str).astype(object)
    return np.ascontiguousarray(array, dtype=wanted)


def _beside(path: Path) -> list[Path]:
    """The files in the model's folder that it names: large weights are kept outside of it."""
    content = path.read_bytes()
    others = (other for other in sorted(path.parent.iterdir()) if other.is_file() and other != path)
    return [other for other in others if other.name.encode() in content]
