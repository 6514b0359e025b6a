import importlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records import as_records, duplicates, load, scan

module = importlib.import_module("ml_privacy_meter.records.scan")  # the package has a function of that name
RNG = np.random.default_rng(0)
X = RNG.integers(-100, 100, (400, 7)).astype(np.float32)
Y = RNG.integers(0, 4, 400)
FRAME = pd.DataFrame({"a": X[:, 0], "b": X[:, 1].astype(int), "word": RNG.choice(["x", "yy", "z"], 400)})


def scanned(x, y=None):
    return scan(as_records((x, Y[: len(x)] if y is None else y)), name="members")


@pytest.mark.parametrize(
    "x", [X, X.reshape(400, 7, 1), X > 0, X.astype(np.uint16), torch.from_numpy(X).bfloat16(), FRAME]
)
def test_the_key_is_of_the_content_and_not_of_the_batches(x, monkeypatch):
    whole = scanned(x)
    monkeypatch.setattr(module, "BLOCK", 300)
    monkeypatch.setattr(module, "_WORDS", 20)
    parts = scanned(x)
    assert parts.records.key == whole.records.key
    assert np.array_equal(parts.digest, whole.digest)


def test_the_key_is_that_of_the_same_records_on_disk(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    assert scan(load(tmp_path / "a.npz"), name="members").records.key == scanned(X).records.key


def test_everything_that_is_seen_of_records_changes_the_key():
    other = X.copy()
    other[399, 6] += 1
    outputs = as_records((X, Y))
    sets = [
        as_records((x, Y)) for x in (X, other, X.astype(np.float64), X.reshape(400, 1, 7), FRAME, FRAME.assign(a=1.0))
    ]
    sets += [as_records((X[:399], Y[:399])), as_records((FRAME.rename(columns={"a": "c"}), Y))]
    for values, gives in ((X, "logits"), (other, "logits"), (X, "values")):
        sets.append(replace(outputs, outputs=torch.from_numpy(values), gives=gives))
    keys = [scan(records, name="members").records.key for records in sets]
    assert len(set(keys)) == len(keys)


def test_equal_numbers_have_equal_digests_in_every_type():
    whole = scanned(X).digest
    for dtype in (np.float64, np.float16, np.int8, np.int64):
        assert np.array_equal(scanned(X.astype(dtype)).digest, whole)
    assert np.array_equal(scanned(np.where(X == 0, -0.0, X)).digest, whole)


def test_equal_rows_of_tables_have_equal_digests_in_every_type():
    other = FRAME.astype({"a": np.float64, "b": np.float32, "word": "category"})
    assert np.array_equal(scanned(FRAME).digest, scanned(other).digest)
    assert len(np.unique(scanned(FRAME).digest)) == len(FRAME.drop_duplicates())


@pytest.mark.parametrize("values", [[-1.0, 1.0], [0.0, 1.0], [0.0, 1.0, 2.0, -4.0]])
def test_rows_of_few_values_do_not_share_digests(values):
    x = np.unique(RNG.choice(values, (100_000, 24)).astype(np.float32), axis=0)
    digest = scanned(x, np.zeros(len(x), int)).digest
    assert len(np.unique(digest)) == len(x)


def test_the_place_of_a_number_matters():
    swapped = X[:, ::-1].copy()
    assert not (scanned(X).digest == scanned(swapped).digest).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_found(bad, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 1000)
    x = X.copy()
    x[333, 5] = bad
    says = f"found {bad} in feature column 5 of record 'records:333' \\(row 333 of members"
    with pytest.raises(InputError, match=says):
        scanned(x)


def test_large_numbers_that_overflow_in_a_sum_are_finite():
    assert len(scanned(np.full((30, 4), 1.7e308), Y[:30]).digest) == 30


@pytest.mark.parametrize(("column", "bad"), [("a", np.nan), ("a", np.inf), ("word", None)])
def test_a_hole_in_a_table_is_found(column, bad):
    frame = FRAME.copy()
    frame.loc[7, column] = bad
    with pytest.raises(InputError, match=f"column `{column}` of record 'records:7'"):
        scanned(frame)


def test_an_output_that_is_not_finite_is_found():
    outputs = torch.zeros(400, 3)
    outputs[9, 2] = -torch.inf
    records = replace(as_records((X, Y)), outputs=outputs, gives="logits")
    with pytest.raises(InputError, match="found -inf in output column 2 of record 'records:9'"):
        scan(records, name="members")


def test_fewer_than_twenty_records_are_refused():
    with pytest.raises(InputError, match="at least 20 records, found 19 in members"):
        scanned(X[:19])


@pytest.mark.parametrize("convert", [lambda x: x, lambda x: pd.DataFrame(x, columns=list("abcdefg"))])
def test_duplicates_are_the_rows_that_are_equal(convert, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 1000)
    a, b = X[:200].copy(), np.unique(X[200:], axis=0).astype(np.float64)
    a[50] = a[60] = a[3]
    b[9] = b[80] = a[3]
    b[17] = a[100]
    found = duplicates(scanned(convert(a)), scanned(convert(b)))
    assert found.pairs.tolist() == [[3, 9], [50, 9], [60, 9], [100, 17]]
    assert (found.in_first, found.in_second) == (2, 1)


def test_rows_that_only_share_a_digest_are_no_duplicates():
    a, b = scanned(X[:200]), scanned(X[200:])
    a, b = replace(a, digest=np.zeros_like(a.digest)), replace(b, digest=np.zeros_like(b.digest))
    found = duplicates(a, b)
    assert len(found.pairs) == (X[:200] == X[200]).all(1).sum()
    assert found.in_first == (X[1:200] == X[0]).all(1).sum()


def test_nothing_twice_is_nothing_found():
    found = duplicates(scanned(np.arange(100.0).reshape(50, 2)), scanned(-np.arange(1, 101.0).reshape(50, 2)))
    assert found.pairs.shape == (0, 2)
    assert found.in_first == found.in_second == 0


def test_records_without_features_are_never_duplicates(tmp_path):
    np.savez(tmp_path / "a.npz", logits=X, y=Y)
    empty = scan(load(tmp_path / "a.npz"), name="members")
    assert not len(duplicates(empty, empty).pairs)
    assert duplicates(empty, empty).in_first == 0
