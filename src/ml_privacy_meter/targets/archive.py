"""What a model file holds, told by its content, and whether opening it runs what a stranger wrote."""

import ast
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

from ml_privacy_meter._checks import InputError

_CONVERT = (
    "Convert it where you trust it: skops.io.dump for scikit-learn, torch.export.save for PyTorch, or "
    "safetensors.torch.save_file for the weights beside a `package.module:factory`."
)
_PICKLES = {".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle"}
_ZIPS = {".pt2", ".pt", ".pth", ".ts", ".torchscript", ".skops", ".keras"}
_KNOWN = ".pt2, .pt, .ts, .torchscript, .skops, .onnx, .keras"

# Records of an exported program that are read as they are. Compiled code (data/aotinductor) and pickled
# objects (data/constants/opaque_obj_*) are not among them.
_RECORD = re.compile(
    r"archive_format|archive_version|version|byteorder|\.data/\w+|models/model\.json|data/sample_inputs/model\.pt"
    r"|data/weights/(model_weights_config\.json|weight_\d+)|data/constants/(model_constants_config\.json|tensor_\d+)"
    r"|extra/.*"
)
_ARITHMETIC = "add|sub|mul|truediv|floordiv|mod|pow|neg|pos|abs|eq|ne|lt|le|gt|ge|and_|or_|xor|not_|invert|getitem"
_CALLED = re.compile(
    r"torch\.ops\.(?!higher_order\.|inductor\.|load_)[a-z]\w*"
    r"\.((?!from_file|save|load_|__)[a-z_]\w*|__i?(and|or|xor|lshift|rshift)__)(\.[A-Za-z]\w*)?"
    r"|torch\.ops\.higher_order\.(cond|map_impl|while_loop|scan|associative_scan|wrap_with_set_grad_enabled"
    r"|wrap_with_autocast)"
    rf"|_operator\.({_ARITHMETIC})|math\.\w+|torch\._?sym_\w+"
)
# Names end up in generated code, so nothing but a name may stand where one is expected.
_NAME = re.compile(r"[\w.+:/-]*")
_FREE = {"as_string", "as_strings", "metadata", "stack_trace"}  # only ever quoted
_SYMBOL = re.compile(r"[A-Z]\w*|[a-z]{1,2}\d+|oo|true|false")
_EXPRESSION = (
    ast.Expression, ast.Call, ast.keyword, ast.Name, ast.Load, ast.Constant, ast.Tuple, ast.BinOp,
    ast.UnaryOp, ast.operator, ast.unaryop, ast.Compare, ast.cmpop,
)  # fmt: skip
_WRITES = re.compile(rb"\b(torch|ops\.\w+)\.(save|from_file|load_library)\(")


def kind_of(path: Path) -> str:
    """What the file holds: "exported", "torchscript", "skops", "keras" or "onnx".

    Raises:
        InputError: there is no such file, it is no model, or it could only be opened by unpickling it.
    """
    if not path.is_file():
        state = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"The model must be a file, `{path}` {state}. A factory is named as `package.module:factory`.")
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(4)
    if suffix in _PICKLES or re.match(rb"\x80[\x02-\x05]", head):
        raise InputError(f"`{path}` is a pickle, and opening one runs whatever is in it. {_CONVERT}")
    if suffix == ".safetensors":
        raise weights_alone(path)
    if suffix in {".h5", ".hdf5"}:
        raise InputError(f"`{path}` is of an older form of Keras. Open it there, and save it as `.keras`.")
    if head == b"PK\x03\x04":
        return _zip_kind(path)
    if suffix == ".onnx":
        return "onnx"
    if suffix in _ZIPS:
        raise InputError(
            f"`{path}` is no {suffix} archive: it is corrupt, incomplete, or in PyTorch's form of before "
            f"2020, which is a pickle. Save it again. {_CONVERT}"
        )
    raise InputError(f"`{path}` is no kind of model file that is known here ({_KNOWN}).")


def weights_alone(path: Path) -> InputError:
    return InputError(
        f"`{path}` holds weights, and weights alone are no model. Name a function that builds the model, "
        f"and these as its weights: `--model package.module:factory --weights {path}`."
    )


def _zip_kind(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise InputError(f"`{path}` is corrupt or incomplete ({error}). Save or copy it again.") from error
    inner = {name.split("/", 1)[-1] for name in names}
    if "archive_format" in inner:
        return "exported"
    if "serialized_exported_program.json" in inner:
        raise InputError(
            f"`{path}` was exported by PyTorch 2.7 or older, in a form that is unpickled. Export it again "
            "with a newer one."
        )
    for mark, kind in {"constants.pkl": "torchscript", "schema.json": "skops", "model.weights.h5": "keras"}.items():
        if mark in inner:
            return kind
    if "data.pkl" in inner:
        raise _saved(path)
    raise InputError(f"`{path}` is an archive, but of no model that is known here ({_KNOWN}).")


def _saved(path: Path) -> InputError:
    """What to say of a file of `torch.save`: weights, or a whole pickled module."""
    if loads_safely(path.read_bytes()):
        return weights_alone(path)
    return InputError(f"`{path}` is a whole pickled module, and opening it runs whatever is in it. {_CONVERT}")


def loads_safely(content: bytes) -> bool:
    """Whether `torch.load` needs nothing but tensors and plain containers for it."""
    try:
        torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # whatever is wrong with it: not safely
        return False
    return True


def check_torchscript(path: Path) -> None:
    """Raises `InputError` if the code in a TorchScript archive could write or map files."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".py") and (found := _WRITES.search(archive.read(name))):
                raise InputError(
                    f"`{path}` calls {found[0].decode()}...) in {name}, which reaches for files. A model "
                    "under audit may only compute: remove the call and save it again."
                )


def check_exported(path: Path) -> None:
    """Raises `InputError` unless an exported program opens without running what a stranger wrote.

    `torch.export.load` unpickles tensor subclasses, example inputs and custom objects without restriction,
    loads compiled libraries, evaluates the expressions of dynamic shapes, and turns names into code.
    """
    try:
        reader = torch._C.PyTorchFileReader(str(path))  # the reader that torch.export.load uses, not another
        names: list[str] = reader.get_all_records()
        with zipfile.ZipFile(path) as archive:
            # where reading fails, torch.export.load unpickles an older form, as zipfile sees it
            old = "version" in archive.namelist()
        graph = json.loads(reader.get_record("models/model.json"))
        configs = {
            folder: json.loads(reader.get_record(f"data/{folder}/model_{folder}_config.json"))["config"]
            for folder in ("weights", "constants")
        }
    except (RuntimeError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise _incomplete(path, _first(error)) from error
    strange = [name for name in names if not _RECORD.fullmatch(name)]
    if strange or old:
        raise _unsafe(path, f"it holds {strange[0] if strange else 'a second, older form'}")
    pickled = ["data/sample_inputs/model.pt"]
    for folder, config in configs.items():
        _check_names(path, config)
        for payload in config.values():
            name = f"data/{folder}/{payload['path_name']}"
            if name not in names:  # the reader itself is lenient: it would find the name in other letters
                raise _incomplete(path, f"it lacks {name}")
            pickled += [name] if payload["use_pickle"] else []
    for name in pickled:
        content: bytes = reader.get_record(name) if name in names else b""
        if content and not loads_safely(content):
            raise _unsafe(path, f"{name} is a pickle of more than tensors")
    _check_names(path, graph)


def _check_names(path: Path, value: Any, key: str = "") -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_names(path, name)
            if name not in _FREE:
                _check_names(path, inner, name)
    elif isinstance(value, list):
        for inner in value:
            _check_names(path, inner, key)
    elif isinstance(value, str) and not _harmless(path, value, key):
        raise _unsafe(path, f"{key or 'a name'} is {value[:80]!r}")


def _harmless(path: Path, value: str, key: str) -> bool:
    if key in {"target", "as_operator"}:
        return bool(_CALLED.fullmatch(value))
    if key == "expr_str":
        return _arithmetic(value)
    if value[:1] in {"[", "{", '"'}:  # the structure of inputs and outputs is JSON within JSON
        try:
            _check_names(path, json.loads(value), key)
        except json.JSONDecodeError:
            return False
        return True
    return bool(_NAME.fullmatch(value)) and value not in {"__enum__", "collections.defaultdict"}  # these import


def _arithmetic(expression: str) -> bool:
    """Whether it is numbers, symbols and SymPy's own functions of them."""
    try:
        nodes = list(ast.walk(ast.parse(expression, mode="eval")))
    except SyntaxError:
        return False
    return all(
        isinstance(node, _EXPRESSION)
        and (not isinstance(node, ast.Call) or (isinstance(node.func, ast.Name) and node.func.id[0].isupper()))
        and (not isinstance(node, ast.Name) or _SYMBOL.fullmatch(node.id) is not None)
        and (not isinstance(node, ast.Constant) or not isinstance(node.value, str) or _is_symbol(node.value))
        for node in nodes
    )


def _is_symbol(word: str) -> bool:
    return bool(re.fullmatch(r"[a-z]{1,2}\d+|-?\d+(\.\d+)?(e[+-]?\d+)?", word))


def _unsafe(path: Path, what: str) -> InputError:
    return InputError(
        f"Opening `{path}` could run code that somebody wrote into it: {what}. Export the model again with "
        "plain tensors as its inputs and weights."
    )


def _incomplete(path: Path, what: str) -> InputError:
    return InputError(f"`{path}` is no complete exported program ({what}). Export it again.")


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
