"""The same queries, however the log comes; what cannot be read is counted; memory does not grow with the log."""

import json
import tracemalloc
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from ml_privacy_meter import InputError
from ml_privacy_meter.monitoring.logs import BROKEN, NO_FEATURES, Columns, log_of

TABLE = pd.DataFrame(
    {"time": [1.0, 2.0, 3.0], "client": ["007", "b", "007"], "f": [0.5, 1.5, 2.5], "g": [0, 1, 2], "answer": [3, 1, 2]}
)
WIDE = Columns(features=("f", "g"))


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet", "jsonl"])
def test_a_log_says_the_same_in_every_format(tmp_path, kind):
    path = tmp_path / f"log.{kind}"
    if kind == "parquet":
        TABLE.to_parquet(path)
    elif kind == "jsonl":
        TABLE.to_json(path, orient="records", lines=True)
    else:
        TABLE.to_csv(path, index=False)
    (found,) = list(log_of(path, WIDE))
    assert found.client == ["007", "b", "007"]
    assert found.answer == ["3", "1", "2"]
    assert found.x.tolist() == [[0.5, 0], [1.5, 1], [2.5, 2]]
    assert found.row.tolist() == [1, 2, 3]
    assert found.time.tolist() == [1, 2, 3]


def test_lists_scores_and_moments_are_read(tmp_path):
    path = tmp_path / "log.parquet"
    table = pd.DataFrame(
        {
            "ts": ["2026-01-02T03:04:05Z", "2026-01-02T03:04:06.5+00:00"],
            "user": [1, 2],
            "x": [[[1.0, 2.0], [3.0, 4.0]]] * 2,
            "prediction": [[0.1, 0.9], [0.8, 0.2]],
        }
    )
    table.to_parquet(path)
    (found,) = list(log_of(path, Columns()))
    assert found.x.tolist() == [[1, 2, 3, 4]] * 2
    assert found.answer == ["1", "0"]
    assert found.client == ["1", "2"]
    assert np.diff(found.time).tolist() == [1.5]
    assert found.time[0] == pd.Timestamp("2026-01-02T03:04:05Z").timestamp()


def test_lists_in_a_csv_file_are_read(tmp_path):
    path = tmp_path / "log.csv"
    pd.DataFrame({"client": ["a"], "x": ["[1, 2]"], "answer": ["[0.1, 0.9]"]}).to_csv(path, index=False)
    (found,) = list(log_of(path, Columns()))
    assert found.x.tolist() == [[1, 2]]
    assert found.answer == ["1"]


def test_what_cannot_be_read_is_counted_and_the_rest_is_read(tmp_path):
    rows = [
        '{"client": "a", "x": [1, 2]}',
        "[1]",
        '{"client": "a", "x": [1]}',
        '{"client": "a", "x": [1, NaN]}',
        '{"client": "a", "x": "two"}',
        "",
        '{"missed": {"the queue was full": 7}}',
        '{"client": "b", "x": [3, 4]}',
        '{"client": "a", "x": [5',
    ]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(rows), encoding="utf-8")
    log = log_of(path, Columns())
    for _ in range(2):  # counted anew with each reading
        (found,) = list(log)
        assert found.row.tolist() == [1, 8]
        assert +log.unread == Counter({NO_FEATURES: 3, BROKEN: 2, "the queue was full": 7})


def test_several_files_are_one_log_and_rows_are_those_of_the_file(tmp_path):
    for name in "ab":
        TABLE.to_csv(tmp_path / f"{name}.csv", index=False)
    found = list(log_of([tmp_path / "a.csv", tmp_path / "b.csv"], WIDE))
    assert [(one.file, one.row.tolist()) for one in found] == [(1, [1, 2, 3]), (2, [1, 2, 3])]


def test_memory_does_not_grow_with_the_log(tmp_path):
    peaks = []
    for many in (4_000, 16_000):
        path = tmp_path / f"{many}.jsonl"
        line = json.dumps({"client": "a", "x": list(range(50)), "answer": 1}) + "\n"
        path.write_text(line * many, encoding="utf-8")
        tracemalloc.start()
        assert sum(len(found.client) for found in log_of(path, Columns())) == many
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


@pytest.mark.parametrize(
    ("name", "content", "columns", "says"),
    [
        ("log.txt", "a", Columns(), "A log comes as"),
        ("gone.csv", None, Columns(), "found no file"),
        ("log.csv", "who,x\na,1\n", Columns(), "says who asked"),
        ("log.csv", "user,ip,x\na,b,1\n", Columns(), "`client`"),
        ("log.csv", "client,x\na,1\n", Columns(features="y"), "`features` names `y`"),
        ("log.csv", "", Columns(), "cannot be read as a log"),
        ("log.parquet", "no parquet", Columns(), "cannot be read as a log"),
    ],
)
def test_what_is_no_log_is_refused_in_a_sentence(tmp_path, name, content, columns, says):
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        list(log_of(path, columns))
    with pytest.raises(InputError, match="found none"):
        log_of([], columns)
