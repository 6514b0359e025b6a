import zipfile

import numpy as np
import pytest
import torch

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records import load

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 3, 5)).astype(np.float32)
Y = RNG.integers(0, 4, 40)
ORDER = np.array([39, 0, 7, 7, 8, -1])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.bool_, np.int64, ">f4", np.float16])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back_in_any_order_of_rows(tmp_path, save, dtype, order):
    x = (X * 10).astype(dtype)
    save(tmp_path / "a.npz", x=np.asarray(x, order=order), y=Y)
    records = load(tmp_path / "a.npz")
    for index in (slice(3, 9), slice(None), slice(30, 99), slice(9, 3), slice(30, 2, -7), ORDER, ORDER[:0]):
        assert np.array_equal(records.x[index].numpy(), x[index])
    assert records.x[:2].numpy().dtype == x.dtype.newbyteorder("=")
    assert np.array_equal(records.y, Y)
    assert list(records.id[:2]) == ["records:0", "records:1"]


def test_a_row_that_is_not_there_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    with pytest.raises(IndexError):
        load(tmp_path / "a.npz").x[np.array([40])]


@pytest.mark.parametrize("compress", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_large_array_is_never_held_whole(tmp_path, compress):
    big = np.zeros((20_000, 512), np.float32)
    np.savez(tmp_path / "a.npz", x=big, y=np.zeros(20_000, int))
    records = load(tmp_path / "a.npz")
    assert not any(isinstance(value, np.ndarray | torch.Tensor) for value in vars(records.x).values())


def test_names_of_arrays_ids_and_groups_can_be_chosen(tmp_path):
    sex = np.where(Y > 1, "f", "m")
    np.savez(tmp_path / "a.npz", arr_0=X, arr_1=Y.reshape(-1, 1), who=np.arange(40) * 3, sex=sex, x=Y)
    records = load(tmp_path / "a.npz", features="arr_0", label="arr_1", id="who", groups=["sex"])
    assert np.array_equal(records.x[:].numpy(), X)
    assert np.array_equal(records.y, Y)
    assert np.array_equal(records.id, np.arange(40) * 3)
    assert np.array_equal(records.groups["sex"], sex)


def test_bytes_as_labels_are_text(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=np.where(Y > 1, b"yes", b"no"))
    assert list(load(tmp_path / "a.npz").y[:40]) == ["yes" if y > 1 else "no" for y in Y]


def test_saved_probabilities_need_no_features(tmp_path):
    p = RNG.dirichlet(np.ones(4), 40)
    np.savez(tmp_path / "a.npz", probabilities=p, y=Y)
    records = load(tmp_path / "a.npz")
    assert records.gives == "probabilities"
    assert np.array_equal(records.outputs[ORDER].numpy(), p[ORDER])
    assert records.x[:].shape == (40, 0)
    assert records.x[:].is_floating_point()


def test_outputs_can_be_named(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, out=X[:, :, 0], y=Y)
    records = load(tmp_path / "a.npz", logits="out")
    assert records.gives == "logits"
    assert records.outputs[:].shape == (40, 3)
    assert records.x[:].shape == X.shape


@pytest.mark.parametrize(
    ("predictions", "y", "gives"),
    [(RNG.dirichlet(np.ones(4), 40), Y, "probabilities"), (X[:, 0, 0], X[:, 0, 1], "values")],
)
def test_predictions_are_recognised(tmp_path, predictions, y, gives):
    np.savez(tmp_path / "a.npz", predictions=predictions, y=y)
    assert load(tmp_path / "a.npz").gives == gives


def test_predictions_that_could_be_anything_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", predictions=X[:, 0], y=Y)
    with pytest.raises(InputError, match="do not add up to 1"):
        load(tmp_path / "a.npz")


class TestRefusals:
    def test_bytes_in_another_alphabet(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, x=X, y=np.array([b"\xe9"] * 40))
        self.refused(path, "must be UTF-8")

    def refused(self, path, says, **settings):
        with pytest.raises(InputError, match=says) as error:
            load(path, **settings)
        assert path.name in str(error.value) or "settings" in says

    @pytest.mark.parametrize("name", ["x", "y", "id"])
    def test_objects_are_not_unpickled(self, tmp_path, name):
        arrays = {"x": X, "y": Y, "id": Y} | {name: np.array([object()] * 40)}
        path = tmp_path / "a.npz"
        with zipfile.ZipFile(path, "w") as archive:
            for key, array in arrays.items():
                with archive.open(f"{key}.npy", "w") as file:
                    if key == name:
                        header = {"descr": "|O", "fortran_order": False, "shape": (40,)}
                        np.lib.format.write_array_header_1_0(file, header)
                        file.write(b"cos\nsystem\n(S'touch /tmp/never'\ntR.")
                    else:
                        np.lib.format.write_array(file, array)
        self.refused(path, r"holds Python objects.*astype\(str\)")

    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_a_truncated_file(self, tmp_path, save):
        path = tmp_path / "a.npz"
        save(path, x=X, y=Y)
        path.write_bytes(path.read_bytes()[:-200])
        self.refused(path, "not a whole .npz file")

    @pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
    def test_a_flipped_byte(self, tmp_path, save):
        path = tmp_path / "a.npz"
        save(path, x=X, y=Y)
        broken = bytearray(path.read_bytes())
        broken[1000] ^= 255
        path.write_bytes(broken)
        self.refused(path, "not a whole .npz file")

    def test_something_else_under_that_name(self, tmp_path):
        path = tmp_path / "a.npz"
        path.write_text("x,y\n1,2\n")
        self.refused(path, "not a whole .npz file")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", "hello")
        self.refused(path, "not a whole .npz file")

    def test_an_array_cut_short(self, tmp_path):
        path = tmp_path / "a.npz"
        with zipfile.ZipFile(path, "w") as archive, archive.open("x.npy", "w") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (40, 9)})
            file.write(bytes(100))
        self.refused(path, "`x`.*cut short")

    def test_no_label(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, x=X, klass=Y)
        self.refused(path, r"array of label.*it has: x, klass.*Name it with `label`")

    def test_no_features(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, arr_0=X, y=Y)
        self.refused(path, r"array of features.*it has: arr_0, y")

    def test_a_name_that_is_not_there(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, x=X, klass=Y)
        self.refused(path, "`label` names `klas`.*Did you mean `klass`.*x, klass", label="klas")

    def test_two_that_might_be_meant(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, x=X, X=X, y=Y)
        self.refused(path, "`x`, `X`.*with `features`")

    def test_lengths_that_differ(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, x=X, y=Y[:30])
        self.refused(path, "40 features, 30 labels")

    def test_an_empty_set(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, x=X[:0], y=Y[:0])
        self.refused(path, "holds no records")

    def test_a_group_of_more_than_one_value_a_record(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, x=X, y=Y, sex=X[:, 0])
        self.refused(path, "one value a record", groups=["sex"])

    def test_features_that_are_text(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, x=np.array([["a", "b"]] * 40), y=Y)
        self.refused(path, "must hold numbers.*csv or parquet")

    def test_a_missing_label(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, x=X, y=np.where(np.arange(40) == 7, np.nan, 1.0))
        self.refused(path, "row 7")

    def test_settings_that_mean_nothing_here(self, tmp_path):
        path = tmp_path / "a.npz"
        np.savez(path, x=X, y=Y)
        self.refused(path, "`features` .* must name one array", features=["x", "y"])
        self.refused(path, "`drop` has no meaning|settings", drop=["a"])
        self.refused(path, "either `probabilities` or `logits`|settings", probabilities="x", logits="x")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gone.npz", "found nothing"),
        ("a.pkl", "is a pickle"),
        ("a.joblib", "is a pickle"),
        ("a.npy", r"no whole \.npy"),
        ("a.txt", "must be a line of numbers"),
        ("a.doc", r"come as \.npz"),
    ],
)
def test_what_is_no_file_of_records_is_refused_with_advice(tmp_path, name, says):
    if not name.startswith("gone"):
        (tmp_path / name).write_bytes(b"\x80\x04K\x01.")
    with pytest.raises(InputError, match=says):
        load(tmp_path / name)
