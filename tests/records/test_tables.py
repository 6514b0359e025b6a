import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records import load, tables

RNG = np.random.default_rng(0)
N = 300
NUMBERS = pd.DataFrame(
    {
        "age": RNG.integers(0, 90, N),
        "height": RNG.standard_normal(N),
        "ill": RNG.random(N) > 0.5,
        "y": RNG.integers(0, 3, N),
    }
)
WORDS = NUMBERS.assign(sex=RNG.choice(["f", "m"], N), who=[f"{i:03}" for i in range(N)])
ORDER = RNG.permutation(N)


def save(frame, path):
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False, row_group_size=70)
    else:
        frame.to_csv(path, index=False, sep="\t" if ".tsv" in path.name else ",")
    return path


@pytest.fixture(params=["a.csv", "a.csv.gz", "a.tsv", "a.parquet"])
def path(request, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "BLOCK", 2000)  # so that a small file has many blocks
    return tmp_path / request.param


def test_numbers_and_truth_values_give_a_tensor(path):
    records = load(save(NUMBERS, path))
    expected = NUMBERS[["age", "height", "ill"]].to_numpy(float)
    assert records.x[:].dtype == torch.float64
    assert np.array_equal(records.x[:].numpy(), expected)
    assert np.array_equal(records.x[ORDER].numpy(), expected[ORDER])
    assert np.array_equal(records.y, NUMBERS["y"])


def test_text_gives_a_frame_with_the_users_columns(path):
    records = load(save(WORDS, path), id="who", groups=["sex", "age"], drop=["age"])
    batch = records.x[ORDER]
    expected = WORDS[["height", "ill", "sex"]].iloc[ORDER].reset_index(drop=True)
    pd.testing.assert_frame_equal(batch, expected)
    assert list(records.groups) == ["sex", "age"]
    assert np.array_equal(records.groups["sex"], WORDS["sex"].to_numpy(str))
    assert list(records.id[:2]) == ["000", "001"]


def test_features_can_be_chosen_in_an_order_of_the_users(path):
    records = load(save(WORDS, path), features=["height", "age"], id="who")
    assert np.array_equal(records.x[:].numpy(), WORDS[["height", "age"]].to_numpy(float))


def test_labels_can_be_words_and_have_any_name(path):
    records = load(save(WORDS.drop(columns="y"), path), label="sex", id="who")
    assert list(records.y) == list(WORDS["sex"])
    assert records.x[:].shape == (N, 3)


def test_columns_of_outputs_are_no_features(path):
    p = RNG.dirichlet(np.ones(3), N)
    frame = NUMBERS.assign(p0=p[:, 0], p1=p[:, 1], p2=p[:, 2])
    records = load(save(frame, path), probabilities=["p0", "p1", "p2"])
    assert records.gives == "probabilities"
    assert np.allclose(records.outputs[ORDER].numpy(), p[ORDER], rtol=1e-12)
    assert records.x[:].shape == (N, 3)
    alone = load(save(frame[["y", "p0", "p1", "p2"]], path), logits=["p0", "p1", "p2"])
    assert alone.gives == "logits"
    assert alone.x[:].shape == (N, 0)


def test_a_frames_saved_index_is_its_ids(tmp_path):
    frame = NUMBERS.set_index(pd.Index([f"patient {i}" for i in range(N)]))
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_csv(tmp_path / "a.csv")
    for name in ("a.parquet", "a.csv"):
        records = load(tmp_path / name)
        assert records.id[7] == "patient 7"
        assert records.x[:].shape == (N, 3)


def test_wholes_as_ids_stay_wholes(tmp_path):
    records = load(save(NUMBERS.assign(id=np.arange(N) * 7), tmp_path / "a.csv"))
    assert np.array_equal(records.id, np.arange(N) * 7)


def test_narrow_columns_of_a_parquet_file_are_float32(tmp_path):
    small = {"age": np.int16, "height": np.float32}
    records = load(save(NUMBERS.astype(small), tmp_path / "a.parquet"))
    assert records.x[:].dtype == torch.float32
    wide = load(save(NUMBERS.astype({"age": np.int32, "height": np.float32}), tmp_path / "b.parquet"))
    assert wide.x[:].dtype == torch.float64


def test_many_columns_are_put_together_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "TOGETHER", 2)
    frame = WORDS.assign(town=pd.Categorical(RNG.choice(["Ulm", "Bonn"], N)))
    frame["day"] = pd.date_range("2020-01-01", periods=N, unit="ns")
    records = load(save(frame, tmp_path / "a.parquet"), id="who")
    batch = records.x[ORDER]
    pd.testing.assert_frame_equal(
        batch, frame.drop(columns=["y", "who"]).iloc[ORDER].reset_index(drop=True), check_categorical=False
    )
    assert isinstance(batch["town"].dtype, pd.CategoricalDtype)


def test_a_fraction_may_come_late_in_a_column_of_wholes(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "BLOCK", 100)
    path = tmp_path / "a.csv"
    path.write_text("a,y\n" + "1,0\n" * 100 + "1.5,0\n")
    assert load(path).x[100:].item() == 1.5


class TestRefusals:
    def refused(self, path, says, **settings):
        with pytest.raises(InputError, match=says) as error:
            load(path, **settings)
        assert path.name in str(error.value)

    def test_a_label_column_that_is_not_there(self, path):
        save(NUMBERS.rename(columns={"y": "outcome"}), path)
        self.refused(path, "Did you mean `outcome`.*age, height, ill, outcome", label="outcom")
        self.refused(path, "needs a label column.*Name it with `label`.*age, height, ill, outcome")
        self.refused(path, "`groups` names `agee`.*Did you mean `age`", label="outcome", groups=["agee"])

    def test_two_columns_that_might_be_the_label(self, path):
        self.refused(save(NUMBERS.assign(target=0), path), "`y`, `target`.*with `label`")

    @pytest.mark.parametrize("column", ["height", "sex", "y"])
    def test_a_missing_value(self, path, column):
        frame = WORDS.astype({column: object})
        frame.loc[217, column] = None
        if column != "sex":
            frame[column] = frame[column].astype("Float64")
        self.refused(save(frame, path), f"row 217 .*column `{column}`", id="who")

    def test_no_records(self, path):
        self.refused(save(NUMBERS.iloc[:0].astype("float32"), path), "holds no records")

    def test_no_features(self, path):
        self.refused(save(NUMBERS[["y"]], path), "no feature columns")

    def test_a_size_of_images(self, path):
        with pytest.raises(InputError, match="`size` has no meaning"):
            load(save(NUMBERS, path), size=[2, 2])

    def test_a_csv_that_is_none(self, tmp_path):
        path = tmp_path / "a.csv"
        for text in ("", "a,y\n1,2\n1,2,3\n", "a,y\n\xff\xfe,2\n"):
            path.write_bytes(text.encode("latin1"))
            self.refused(path, "cannot be read as a table")

    def test_a_word_late_in_a_column_of_numbers(self, tmp_path, monkeypatch):
        monkeypatch.setattr(tables, "BLOCK", 100)
        path = tmp_path / "a.csv"
        path.write_text("a,y\n" + "1,0\n" * 100 + "one,0\n")
        self.refused(path, "cannot be read as a table.*'one'")

    def test_columns_of_one_name(self, tmp_path):
        path = tmp_path / "a.csv"
        path.write_text("a,a,y\n1,2,0\n")
        self.refused(path, "`a` twice")

    def test_a_truncated_file(self, tmp_path):
        path = save(NUMBERS, tmp_path / "a.parquet")
        path.write_bytes(path.read_bytes()[:-50])
        self.refused(path, "not a whole parquet file")
        path = tmp_path / "a.csv.gz"
        path.write_bytes(gzip.compress(NUMBERS.to_csv(index=False).encode())[:-50])
        self.refused(path, "cannot be read as a table")

    def test_a_column_of_lists(self, tmp_path):
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table({"v": [[1.0, 2.0]] * 30, "y": [0] * 30}), path)
        self.refused(path, "`v`.*list<.*a column of its own")
