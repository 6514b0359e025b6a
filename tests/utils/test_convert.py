"""Records go from the format of 2020 into arrays, and back, without loss."""

import sys

import numpy as np
import pytest

from ml_privacy_meter import InputError, load_records
from ml_privacy_meter.utils import convert

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(40, 7)).astype(np.float32) * 10.0 ** RNG.integers(-9, 9, (40, 7)).astype(np.float32)
IMAGES = RNG.integers(0, 256, (40, 3, 5, 5), dtype=np.uint8)
Y = np.arange(40) % 3


@pytest.mark.parametrize("kind", ["txt", "npy"])
@pytest.mark.parametrize("x", [VECTORS, IMAGES, VECTORS.astype(np.float64).round(3), IMAGES[:, 0, 0] == 0])
def test_what_is_converted_there_and_back_is_the_same(x, kind, tmp_path):
    np.savez(tmp_path / "a.npz", x=x, y=Y)
    convert(tmp_path / "a.npz", tmp_path / f"b.{kind}")
    convert(tmp_path / f"b.{kind}", tmp_path / "c.npz")
    back = np.load(tmp_path / "c.npz")
    assert np.array_equal(back["x"], x.astype(np.float32))
    assert np.array_equal(back["y"], Y)


def test_lines_are_those_of_2020(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([[[[1, 2]], [[3, 4]]], [[[5, 6]], [[7, 8]]]]), y=[3, 0])
    assert convert(tmp_path / "a.npz", tmp_path / "a.txt") == tmp_path / "a.txt"
    assert (tmp_path / "a.txt").read_text() == "1,2;3,4;3\n5,6;7,8;0\n"
    convert(tmp_path / "a.npz", tmp_path / "a.npy")
    rows = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert rows.tolist() == [["1,2", "3,4", "3"], ["5,6", "7,8", "0"]]


def test_channels_that_come_last_are_moved(tmp_path):
    last = IMAGES.transpose(0, 2, 3, 1)
    np.savez(tmp_path / "a.npz", x=last, y=Y)
    convert(tmp_path / "a.npz", tmp_path / "a.txt", channels_last=True)
    assert np.array_equal(load_records(tmp_path / "a.txt").x[0:40].numpy(), IMAGES)
    convert(tmp_path / "a.txt", tmp_path / "b.npz", channels_last=True)
    assert np.array_equal(np.load(tmp_path / "b.npz")["x"], last)


def test_many_blocks_are_written_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["ml_privacy_meter.utils.convert"], "NUMBERS", 20)
    test_what_is_converted_there_and_back_is_the_same(VECTORS, "txt", tmp_path)
    (tmp_path / "rows").mkdir()
    test_what_is_converted_there_and_back_is_the_same(VECTORS, "npy", tmp_path / "rows")


def test_nothing_is_written_over(tmp_path):
    np.savez(tmp_path / "a.npz", x=VECTORS, y=Y)
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(InputError, match="there already"):
        convert(tmp_path / "a.npz", tmp_path / "a.txt")
    assert (tmp_path / "a.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("y", "target", "says"),
    [
        (np.array(["a;b", "c"] * 20), "a.txt", "must not hold `;`"),
        (np.zeros((40, 2)), "a.npy", "one label each"),
        (Y, "a.csv", "no format of 2020, nor of arrays, `csv`"),
    ],
)
def test_what_does_not_fit_leaves_no_file(y, target, says, tmp_path):
    np.savez(tmp_path / "b.npz", x=VECTORS, y=y)
    with pytest.raises(InputError, match=says):
        convert(tmp_path / "b.npz", tmp_path / target)
    assert [path.name for path in tmp_path.iterdir()] == ["b.npz"]


def test_words_are_no_features(tmp_path):
    (tmp_path / "a.csv").write_text("town,y\n" + "Bern,1\n" * 20)
    with pytest.raises(InputError, match="must be numbers, found text"):
        convert(tmp_path / "a.csv", tmp_path / "a.txt")
