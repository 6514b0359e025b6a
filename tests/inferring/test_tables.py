"""Whatever tables arrive as."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from ml_privacy_meter import InputError, as_records
from ml_privacy_meter.inferring.tables import rows_of, tables

FRAME = pd.DataFrame({"age": [30.0, 41.0, np.nan], "job": ["cook", None, "judge"], "there": [True, False, True]})


def test_numbers_and_words_come_side_by_side_with_their_gaps():
    made = tables(members=FRAME, synthetic=FRAME.iloc[::-1][["there", "job", "age"]])
    assert made["members"].columns == ("age", "job", "there")
    assert made["members"].words == (0, 2, 0)
    np.testing.assert_array_equal(made["members"].values, [[30, 0, 1], [41, np.nan, 0], [np.nan, 1, 1]])
    np.testing.assert_array_equal(made["synthetic"].values, made["members"].values[::-1])


def test_a_word_has_one_number_in_all_tables():
    other = FRAME.assign(job=["abbot", "judge", "judge"])
    made = tables(members=FRAME, synthetic=other)
    assert made["members"].values[2, 1] == made["synthetic"].values[1, 1] == 2


def test_numbers_as_words_are_numbers_and_words_among_numbers_are_words():
    read = FRAME.assign(age=["30", "41", None])
    np.testing.assert_array_equal(tables(members=FRAME, read=read)["read"].values[:, 0], [30, 41, np.nan])
    mixed = tables(members=FRAME, read=FRAME.assign(age=["30.0", "old", None]))
    assert mixed["members"].words[0] == 3
    assert mixed["members"].values[0, 0] == mixed["read"].values[0, 0]


def test_codes_that_are_words_everywhere_stay_words():
    codes = pd.DataFrame({"code": ["01234", "01250", None]})
    assert tables(members=codes, synthetic=codes)["members"].words == (2,)
    nothing = pd.DataFrame({"code": [np.nan, np.nan]})
    assert tables(members=codes, synthetic=nothing)["synthetic"].words == (2,)
    assert tables(members=nothing, synthetic=nothing)["members"].words == (1,)


def test_dates_are_numbers_and_categories_are_words():
    frame = pd.DataFrame({"day": pd.to_datetime(["2020-01-01", None, "2020-01-02"]), "kind": pd.Categorical([1, 2, 1])})
    made = tables(members=frame.assign(kind=pd.Categorical(["a", "b", "a"])))["members"]
    assert made.values[2, 0] - made.values[0, 0] == 24 * 60 * 60
    assert np.isnan(made.values[1, 0])
    assert made.words == (0, 2)


def test_a_copy_in_fewer_bits_is_a_copy():
    exact = pd.DataFrame({"x": [0.1, 0.2, np.nan]})
    made = tables(members=exact, synthetic=exact.astype("float32"))
    np.testing.assert_array_equal(rows_of(made["members"]), rows_of(made["synthetic"]))
    huge = pd.DataFrame({"x": [1e300]})
    assert tables(members=huge, synthetic=exact.astype("float32"))["members"].values[0, 0] == 1e300


@pytest.mark.parametrize(
    "given",
    [
        np.arange(6.0).reshape(3, 2),
        torch.arange(6).reshape(3, 2),
        (np.array([[0.0], [2], [4]]), np.array([1, 3, 5])),
        as_records((np.array([[0.0], [2], [4]]), np.array([1, 3, 5]))),
    ],
    ids=["array", "tensor", "pair", "records"],
)
def test_arrays_pairs_and_records_are_tables(given):
    np.testing.assert_array_equal(tables(members=given)["members"].values, np.arange(6).reshape(3, 2))


def test_pictures_are_rows_of_pixels():
    assert tables(members=np.zeros((4, 3, 3)))["members"].values.shape == (4, 9)


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.parquet"])
def test_files_are_tables_with_their_gaps(tmp_path: Path, name):
    if name.endswith("parquet"):
        FRAME.to_parquet(tmp_path / name)
    else:
        FRAME.to_csv(tmp_path / name, index=False, sep="\t" if "tsv" in name else ",")
    found = tables(members=FRAME, synthetic=str(tmp_path / name))
    np.testing.assert_array_equal(found["synthetic"].values, found["members"].values)


def test_a_frame_with_an_index_of_its_own_and_a_table_given_twice_change_nothing():
    moved = FRAME.set_index(np.array([7, 7, 9]))
    np.testing.assert_array_equal(tables(members=moved, again=FRAME)["members"].values, tables(a=FRAME)["a"].values)
    assert list(moved.columns) == ["age", "job", "there"]


def test_a_broken_file_is_named(tmp_path: Path):
    (tmp_path / "t.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match=r"t\.parquet` cannot be read"):
        tables(members=tmp_path / "t.parquet")


def test_equal_records_have_equal_numbers():
    values = tables(a=pd.DataFrame({"x": [0.0, -0.0, np.nan, np.nan, 1], "y": ["a", "a", "b", "b", None]}))["a"]
    found = rows_of(values)
    assert found[0] == found[1]
    assert found[2] == found[3]
    assert len(set(found.tolist())) == 3


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"members": FRAME, "synthetic": FRAME.drop(columns="job")}, "`job` is not in the synthetic"),
        ({"members": FRAME.drop(columns="job"), "synthetic": FRAME}, "`job` is not in the members"),
        ({"members": FRAME.assign(age=np.inf)}, "infinite one in `age`"),
        ({"members": FRAME[:0]}, "members must hold records"),
        ({"members": 3}, "found int as the members"),
        ({"members": np.zeros(3)}, "found ndarray as the members"),
        ({"members": "nothing.csv"}, "nothing.csv"),
        ({"members": FRAME.set_axis(["a", "a", "b"], axis=1)}, "`a` twice"),
        ({"members": (FRAME.rename(columns={"job": "label"}), [1, 2, 3])}, "`label` twice"),
    ],
)
def test_what_is_no_table_is_refused(given, says):
    with pytest.raises(InputError, match=says):
        tables(**given)
