"""Whatever data arrive as, as `Records`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from torch.utils.data import Dataset

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records.archive import load_npz
from ml_privacy_meter.records.images import load_images
from ml_privacy_meter.records.lines import load_lines, load_text_rows
from ml_privacy_meter.records.memory import of_arrays, of_dataset, of_frame
from ml_privacy_meter.records.tables import load_csv, load_json_lines, load_parquet
from ml_privacy_meter.records.wanted import Wanted
from ml_privacy_meter.types import Records

JSON_LINES = (".jsonl", ".jsonl.gz", ".jsonl.xz", ".ndjson")
PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth")


def load(
    path: str | Path,
    *,
    features: str | Sequence[str] | None = None,
    label: str | None = None,
    id: str | None = None,
    groups: str | Sequence[str] = (),
    drop: str | Sequence[str] = (),
    probabilities: str | Sequence[str] | None = None,
    logits: str | Sequence[str] | None = None,
    size: Sequence[int] | None = None,
    name: str = "records",
) -> Records:
    """The records in a file (.npz, .csv, .tsv, .parquet, .jsonl, .txt) or a folder of images, read when asked for.

    A table of numbers and truth values gives tensors: float32 where the columns' own types fit into it, else
    float64 (as numbers in a csv file do). A table with text in it gives DataFrames. Lines of a .txt file, and rows of
    text in a .npy file, are in the format of 2020: ``f1,f2,...,fn;label``, or one channel of an image after the other.

    Args:
        features: the array, or the columns, that the model takes; by default every column of no other use.
        label: the array or column of labels, where it is not called y, label or target.
        id: the array or column of your own names of the records.
        groups: arrays or columns to report on separately; a column stays a feature unless it is dropped.
        drop: columns that the model does not take.
        probabilities: what the target model answered, as an array or as one column a class.
        logits: the same, before the softmax.
        size: height and width that images are brought to; or those of the images in a .txt file that are no squares.
        name: ids are called ``name:row`` where the records have none of their own.

    Raises:
        InputError: there is no such file, array or column, the file is broken, or a value is missing.
    """
    path = Path(path)
    wanted = Wanted(features, label, id, groups, drop, probabilities, logits, size)
    if path.is_dir():
        return load_images(path, wanted, name=name)
    if not path.exists():
        raise InputError(f"There must be a file or a folder of images at `{path}`, found nothing. Check the path.")
    kind = "".join(path.suffixes[-2:]).lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if kind == ".npz":
        return load_npz(path, wanted, name=name)
    if kind in (".csv", ".csv.gz", ".tsv", ".tsv.gz"):
        return load_csv(path, wanted, name=name, delimiter="\t" if kind.startswith(".tsv") else ",")
    if kind == ".parquet":
        return load_parquet(path, wanted, name=name)
    if kind == ".txt":
        return load_lines(path, wanted, name=name)
    if path.name.lower().endswith(JSON_LINES):
        return load_json_lines(path, wanted, name=name)
    if kind == ".npy":
        return load_text_rows(path, wanted, name=name)
    raise InputError(_advice(path, kind))


def as_records(
    data: Any,
    *,
    features: str | Sequence[str] | None = None,
    label: str | None = None,
    id: str | None = None,
    groups: str | Sequence[str] = (),
    drop: str | Sequence[str] = (),
    probabilities: str | Sequence[str] | None = None,
    logits: str | Sequence[str] | None = None,
    size: Sequence[int] | None = None,
    name: str = "records",
) -> Records:
    """``data`` as records, with the settings of `load`.

    Args:
        data: records; a path; a pair (features, labels) of arrays, tensors, lists, DataFrame and Series; a
            DataFrame; a list of texts; or a torch Dataset of such pairs. An array that is mapped from disk stays there.

    Raises:
        InputError: it is none of these, or something that `load` refuses.
    """
    wanted = Wanted(features, label, id, groups, drop, probabilities, logits, size)
    if isinstance(data, str | Path):
        return load(data, **vars(wanted), name=name)
    if isinstance(data, pd.DataFrame):
        return of_frame(data, None, wanted, name=name)
    pair = isinstance(data, tuple | list) and len(data) == 2 and not isinstance(data[0], str)
    if pair and isinstance(data[0], pd.DataFrame):
        wanted.refuse("label", where="a pair (features, labels)")
        return of_frame(data[0], data[1], wanted, name=name)
    if isinstance(data, Records):
        return data
    wanted.refuse(*vars(wanted), where="data without named columns (a file and a DataFrame have them)")
    if isinstance(data, list) and data and all(isinstance(one, str) for one in data):
        return of_frame(pd.DataFrame({"text": data}), None, wanted, name=name)
    if pair:
        return of_arrays(data[0], data[1], name=name)
    if isinstance(data, Dataset) or (hasattr(data, "__getitem__") and hasattr(data, "targets")):
        return of_dataset(data, name=name)
    raise InputError(
        f"Records must be a path, a pair (features, labels), a DataFrame or a torch Dataset, found "
        f"{type(data).__name__}. Give (x, y)."
    )


def _advice(path: Path, kind: str) -> str:
    if kind in PICKLES:
        return (
            f"`{path}` is a pickle, and to read one is to run whatever code it brings. Save arrays with "
            "np.savez('data.npz', x=x, y=y), or a DataFrame with to_parquet."
        )
    return (
        f"Records come as .npz, .csv, .tsv, .parquet, .jsonl, .txt or a folder of images, found `{path.name}`. "
        "Convert it to one of these."
    )
