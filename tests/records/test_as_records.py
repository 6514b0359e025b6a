import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, Subset, TensorDataset

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records import as_records, scan
from ml_privacy_meter.records.disk import OnDisk

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 6))
Y = RNG.integers(0, 4, 40)
FRAME = pd.DataFrame({"a": X[:, 0], "sex": np.where(Y > 1, "f", "m"), "y": Y}, index=[f"p{i}" for i in range(40)])


class Items(Dataset):
    """Items of a shape that the test chooses."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return len(self.x)

    def __getitem__(self, row):
        return self.x[row], self.y[row]


@pytest.mark.parametrize("convert", [np.asarray, torch.from_numpy, np.ndarray.tolist])
def test_pairs_of_arrays_come_back(convert):
    records = as_records((convert(X), convert(Y)), name="members")
    assert torch.equal(records.x[3:9], torch.from_numpy(X[3:9]))
    assert torch.equal(records.x[np.array([9, 0])], torch.from_numpy(X[[9, 0]]))
    assert np.array_equal(np.asarray(records.y), Y)
    assert records.id[3] == "members:3"


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.float32, np.float64])
def test_the_type_of_an_array_is_kept(dtype):
    assert as_records((X.astype(dtype), Y)).x[:2].numpy().dtype == dtype


def test_an_array_is_not_copied():
    x = X.copy()
    assert as_records((x, Y)).x.data_ptr() == x.ctypes.data


@pytest.mark.parametrize("change", [lambda x: x[:, ::-1], np.asfortranarray, lambda x: x.astype(">f8")])
def test_an_array_in_an_odd_layout_comes_back(change):
    assert np.array_equal(as_records((change(X), Y)).x[5:7].numpy(), change(X)[5:7])


def test_an_array_that_must_not_be_written_to_is_left_alone():
    x = X.copy()
    x.flags.writeable = False
    as_records((x, Y)).x[:5].zero_()
    assert np.array_equal(x, X)


@pytest.mark.parametrize("part", [lambda x: x, lambda x: x[7:], np.asarray, lambda x: np.asarray(x)[7:][3:]])
def test_a_memory_map_stays_on_disk(tmp_path, part):
    np.save(tmp_path / "x.npy", X)
    x = part(np.load(tmp_path / "x.npy", mmap_mode="r"))
    rows = as_records((x, Y[: len(x)])).x
    assert isinstance(rows, OnDisk)
    assert np.array_equal(rows[:].numpy(), x)


def test_a_private_memory_map_keeps_its_changes(tmp_path):
    np.save(tmp_path / "x.npy", X)
    x = np.load(tmp_path / "x.npy", mmap_mode="c")
    x[0] = 7
    assert (as_records((x, Y)).x[:1] == 7).all()


def test_a_frame_stays_a_frame_and_its_index_gives_the_ids():
    records = as_records(FRAME, label="y", groups=["sex"])
    pd.testing.assert_frame_equal(records.x[2:5], FRAME[["a", "sex"]].iloc[2:5])
    assert list(records.id[:2]) == ["p0", "p1"]
    assert list(records.groups["sex"]) == list(FRAME["sex"])
    assert np.array_equal(records.y, Y)


def test_a_frame_and_a_series_are_a_pair():
    plain = FRAME.reset_index(drop=True)
    records = as_records((plain[["a", "sex"]], plain["y"].astype("category")), groups="sex", drop=["sex"])
    assert list(records.x[:1].columns) == ["a"]
    assert np.array_equal(records.y, Y)
    assert records.id[0] == "records:0"


def test_the_index_of_a_series_of_labels_gives_ids():
    assert as_records((X, FRAME["y"])).id[1] == "p1"


def test_a_tensor_dataset_is_its_tensors():
    x = torch.from_numpy(X)
    records = as_records(TensorDataset(x, torch.from_numpy(Y)))
    assert records.x.data_ptr() == x.data_ptr()


@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: Subset(d, range(40))])
def test_a_dataset_is_read_when_asked(wrap):
    items = Items([torch.from_numpy(x) for x in X], [int(y) for y in Y])
    records = as_records(wrap(items))
    assert torch.equal(records.x[np.array([5, 5, 39])], torch.from_numpy(X[[5, 5, 39]]))
    assert records.x[3:3].shape == (0, 6)
    assert np.array_equal(records.y, Y)
    assert len(scan(records, name="members").digest) == 40


def test_the_targets_of_a_dataset_save_a_pass():
    items = Items(torch.from_numpy(X), [None] * 40)
    items.targets = list(Y)
    assert np.array_equal(as_records(items).y, Y)


def test_targets_that_are_transformed_are_not_trusted():
    items = Items(torch.from_numpy(X), Y + 1)
    items.targets, items.target_transform = list(Y), lambda y: y + 1
    assert np.array_equal(as_records(items).y, Y + 1)


def test_records_are_handed_back():
    records = as_records((X, Y))
    assert as_records(records, label="anything") is records


def test_a_path_is_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    assert as_records(str(tmp_path / "a.npz"), name="n").id[0] == "n:0"


class Shuffled(Items):
    def __getitem__(self, row):
        return torch.rand(3), 0


class Endless(IterableDataset):
    def __iter__(self):
        return iter(())


@pytest.mark.parametrize(
    ("data", "settings", "says"),
    [
        (3, {}, "found int"),
        ((X, Y[:30]), {}, "40 features, 30 labels"),
        ((X[:0], Y[:0]), {}, "holds no records"),
        ((X, [[1], [1, 2]] * 20), {}, "labels .* same shape"),
        (([[1.0], [1.0, 2.0]] * 20, Y), {}, "features .* same shape"),
        ((np.array([["a"]] * 40), Y), {}, "must be numbers"),
        ((np.array([[{}]] * 40), Y), {}, "must be (numbers|an array of numbers)"),
        ((X, np.where(Y > 2, np.nan, Y)), {}, "labels .*row"),
        ((X, pd.Series([None, "a"] * 20)), {}, "labels .*row 0"),
        ((torch.eye(40).to_sparse(), Y), {}, "dense"),
        ((X, Y), {"label": "y"}, "`label` has no meaning"),
        ((FRAME, Y), {"label": "y"}, "`label` has no meaning"),
        (FRAME, {"label": "yy"}, "Did you mean `y`"),
        (FRAME.drop(columns="y"), {}, "needs a label column"),
        (TensorDataset(torch.eye(3)), {}, "found 1 tensors"),
        (Endless(), {}, "must have a length"),
        (Items([], []), {}, "holds no records"),
        (Items([torch.zeros(i) for i in range(40)], Y), {}, r"\(0,\) and \(1,\) at item 1"),
        (Items(["a"] * 40, Y), {}, "found str at item 0"),
        (Items([object()] * 40, Y), {}, "found object at item 0"),
        (Shuffled(X, Y), {}, "same input each time"),
        ([torch.eye(3)] * 40, {}, "found list"),
    ],
)
def test_what_are_no_records_is_refused(data, settings, says):
    with pytest.raises(InputError, match=says):
        as_records(data, **settings)


def test_a_sparse_matrix_is_refused():
    sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(InputError, match="toarray"):
        as_records((sparse.eye_array(40).tocsr(), Y))
