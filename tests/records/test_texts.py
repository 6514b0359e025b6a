"""Texts arrive as lines of JSON, tables, DataFrames and lists; what stands in them stays as it is."""

import gzip
import json
import lzma

import numpy as np
import pandas as pd
import pytest

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records import as_records, join, load, tables

TEXTS = ['one "quoted", with a comma', "two\nlines", "three", "007"]


def _said(records, column="text"):
    return list(records.x[slice(0, len(records))][column])


@pytest.mark.parametrize(("suffix", "opened"), [("jsonl", open), ("jsonl.gz", gzip.open), ("jsonl.xz", lzma.open)])
def test_lines_of_json_are_texts(tmp_path, suffix, opened):
    with opened(tmp_path / f"t.{suffix}", "wt", encoding="utf-8") as file:
        file.writelines(
            json.dumps({"text": text, "author": f"a{row}", "id": row}) + "\n" for row, text in enumerate(TEXTS)
        )
    found = load(tmp_path / f"t.{suffix}", groups="author")
    assert _said(found) == TEXTS
    assert not found.labelled
    assert list(found.x[slice(0, 1)].columns) == ["text"]
    assert list(found.groups["author"]) == ["a0", "a1", "a2", "a3"]


def test_a_line_that_is_no_object_is_refused(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"text": "one"}\n{"text": \n')
    with pytest.raises(InputError, match="one JSON object a line"):
        load(tmp_path / "t.jsonl")


def test_a_list_and_a_frame_are_texts_too():
    for given in (TEXTS, pd.DataFrame({"text": TEXTS, "when": range(4)})):
        found = as_records(given)
        assert _said(found) == TEXTS
        assert not found.labelled
        assert not join(found, found).labelled
        assert not found.take(np.array([1, 2])).labelled


def test_a_column_of_labels_makes_a_text_a_feature():
    found = as_records(pd.DataFrame({"text": TEXTS, "label": [0, 1, 0, 1]}))
    assert found.labelled
    assert as_records(pd.DataFrame({"text": TEXTS, "mood": [0, 1, 0, 1]}), label="mood").labelled


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_stands_before_a_text_may_be_nothing(tmp_path, suffix):
    frame = pd.DataFrame({"text": TEXTS, "prefix": ["", "so: ", "", ""]})
    path = tmp_path / f"t.{suffix}"
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    found = load(path)
    assert _said(found) == TEXTS
    assert _said(found, "prefix") == ["", "so: ", "", ""]
    frame.assign(text=["", *TEXTS[1:]]).to_parquet(tmp_path / "gone.parquet")
    with pytest.raises(InputError, match="row 0"):
        load(tmp_path / "gone.parquet")


def test_line_breaks_in_a_csv_file_do_not_tear_a_text_where_a_block_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "BLOCK", 2**12)
    said = [f"{row} " + "word and\nword " * (row % 30 + 1) for row in range(400)]
    pd.DataFrame({"text": said}).to_csv(tmp_path / "t.csv", index=False)
    assert _said(load(tmp_path / "t.csv")) == said
