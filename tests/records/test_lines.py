"""Records as they were kept in 2020: lines of text, and rows of text in an array."""

import numpy as np
import pytest

from ml_privacy_meter import InputError, load_records
from ml_privacy_meter.records import lines

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (30, 3, 4, 4))
LABELS = RNG.integers(0, 10, 30)


def text_of(x, y, end="\n"):
    channels = [";".join(",".join(map(str, channel)) for channel in image) for image in x.tolist()]
    return "".join(f"{image};{label}{end}" for image, label in zip(channels, y, strict=True))


@pytest.fixture(params=["lines", "rows", "rows of bytes", "whole lines"])
def load(request, tmp_path):
    """Loads the same records from a file of one kind or the other."""

    def loaded(text, **settings):
        path = tmp_path / "records.txt"
        path.write_text(text, encoding="utf-8")
        if request.param != "lines":
            cut = [[line] if request.param == "whole lines" else line.split(";") for line in text.splitlines()]
            path = tmp_path / "records.txt.npy"
            np.save(path, np.array(cut, dtype="S" if request.param == "rows of bytes" else "U"))
        return load_records(path, **settings)

    return loaded


def test_images_come_channel_after_channel(load):
    records = load(text_of(IMAGES.reshape(30, 3, 16), LABELS))
    assert records.x.shape == IMAGES.shape
    assert np.array_equal(records.x[0:30].numpy(), IMAGES)
    assert np.array_equal(records.y, LABELS)
    assert records.x[0:2].numpy().dtype == np.float32


def test_vectors_have_one_channel(load):
    x = RNG.normal(size=(25, 1, 6)).astype(np.float32)
    records = load(text_of(x, LABELS[:25]), name="members")
    assert np.array_equal(records.x[0:25].numpy(), x[:, 0])
    assert records.id[3] == "members:3"


def test_images_that_are_no_squares_need_a_size(load):
    text = text_of(IMAGES[:, :, :, :3].reshape(30, 3, 12), LABELS)
    assert load(text, size=(4, 3)).x.shape == (30, 3, 4, 3)
    with pytest.raises(InputError, match=r"square number.*found 12 .*Give `size"):
        load(text)
    with pytest.raises(InputError, match=r"found 12 .* and 5 x 3"):
        load(text, size=(5, 3))


def test_a_file_of_many_blocks_is_read_whole(load, monkeypatch):
    whole = load(text_of(IMAGES.reshape(30, 3, 16), LABELS)).x[0:30]
    monkeypatch.setattr(lines, "BLOCK", 300)  # between one and two records
    again = load(text_of(IMAGES.reshape(30, 3, 16), LABELS))
    assert (again.x[0:30] == whole).all()
    assert np.array_equal(again.y, LABELS)


def test_where_a_mistake_is_stands_in_the_message_whatever_block_it_is_in(load, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", 300)
    good = text_of(IMAGES.reshape(30, 3, 16), LABELS).splitlines()
    for bad, said in (
        (good[20].replace(",", "", 1), "3 channels of 16 numbers, each with `;`"),
        (good[20].replace(",", ",x", 1), "number 2 of"),
        (good[20].replace(",", ",nan,", 1).partition(",")[2], "found 'nan'"),
        (good[20].rpartition(";")[0] + ";", "must have a label"),
    ):
        with pytest.raises(InputError, match=r"(?i)(line 21|row 20 \(the first is 0\)) ") as caught:
            load("\n".join([*good[:20], bad, *good[21:]]))
        caught.match(said)


def test_ends_of_lines_and_spaces_do_not_matter(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes(b"\xef\xbb\xbf1, 2,3;4\r\n1,2.5 ,3; 5\r\n\r\n\r\n")
    records = load_records(path)
    assert records.x[0:2].tolist() == [[1, 2, 3], [1, 2.5, 3]]
    assert records.y.tolist() == [4, 5]


@pytest.mark.parametrize(
    ("labels", "as_what"),
    [
        ((1, 2), np.array([1, 2])),
        (("1.0", "2.0"), np.array([1, 2])),
        ((0.5, 2), np.array([0.5, 2])),
        (("cat", 2), np.array(["cat", "2"])),
        (("chat", "café"), np.array(["chat", "café"])),
    ],
)
def test_labels_are_wholes_where_all_are(labels, as_what, tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("".join(f"1,2;{label}\n" for label in labels), encoding="utf-8")
    y = load_records(path).y
    assert y.dtype.kind == as_what.dtype.kind
    assert np.array_equal(y, as_what)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "holds no records"),
        (b"\n\n", "holds no records"),
        (b"1,2,3\n", "Line 1 .* 2 commas, and no `;`"),
        (b"1,2;3,4,5;1\n", "of one size"),
        (b"1,2;3,4\n", "of one size, .*Line 1"),
        (b"a,b;label\n1,2;3\n", "found 'a' as number 1 of line 1"),
        (b"1,2;3\n\n1,2;3\n", "Line 2 is not so: it is empty"),
        (b"1,2;3\n1,,2;3\n", "2 numbers, `;` and a label. Line 2"),
        (b"1,2;3\n1,;3\n", "found '' as number 2 of line 2"),
        (b"1,2;3\n1,inf;3\n", "found 'inf'"),
        (b"1,2;\xff\xfe\n", "UTF-8"),
    ],
)
def test_broken_lines_are_refused(content, says, tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        load_records(path)


@pytest.mark.parametrize("size", range(1, 20))
def test_an_empty_line_is_missed_nowhere(size, tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "BLOCK", size)
    path = tmp_path / "x.txt"
    path.write_bytes(b"1,2;3\r\n1,2;3\n\n1,2;3\n")
    with pytest.raises(InputError, match="Line 3 is not so: it is empty"):
        load_records(path)
    path.write_bytes(b"1,2;3\r\n1,2;3\n\n\n")
    assert len(load_records(path)) == 2


def test_a_message_holds_no_more_of_a_record_than_the_value_that_is_wrong(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("1,2;3\n777,888,999;3\n")
    with pytest.raises(InputError) as caught:
        load_records(path)
    assert not any(secret in str(caught.value) for secret in ("777", "888", "999"))


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.array([["1,2", "3"]], dtype=object), "Python objects.* run whatever code.*astype"),
        (np.zeros((3, 4)), "single array, of float64"),
        (np.array([[["1,2", "3"]]]), "single array"),
        (np.array([["1,2", "3"], ["4,5", "6"]]).T.copy().T, "laid out by columns"),
        (np.array([["1,2", "café"], ["4,5", "6"]]), "ASCII"),
    ],
)
def test_arrays_that_hold_no_rows_of_text_are_refused(array, says, tmp_path):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(InputError, match=says):
        load_records(tmp_path / "x.npy")


def test_arrays_that_were_cut_short_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([["1,2", "3"]] * 30))
    whole = (tmp_path / "x.npy").read_bytes()
    for part, says in ((whole[:-8], "cut short"), (whole[:50], "no whole .npy"), (b"", "no whole .npy")):
        (tmp_path / "x.npy").write_bytes(part)
        with pytest.raises(InputError, match=says):
            load_records(tmp_path / "x.npy")


def test_settings_of_tables_are_refused(tmp_path):
    (tmp_path / "x.txt").write_text("1,2;3\n")
    with pytest.raises(InputError, match="`label` has no meaning"):
        load_records(tmp_path / "x.txt", label="y")
