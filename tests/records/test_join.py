from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records import as_records, join, load, scan

RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((30, 4)), RNG.standard_normal((50, 4))
YA, YB = RNG.integers(0, 3, 30), RNG.integers(0, 3, 50)
INDICES = [
    slice(0, 80),
    slice(None),
    slice(20, 30),
    slice(30, 40),
    slice(25, 35),
    slice(70, 99),
    slice(40, 40),
    slice(75, 5, -3),
    np.array([79, 0, 30, 29, 29, 31]),
    np.array([3, 1]),
    np.array([-1, 33]),
    RNG.permutation(80),
    np.array([], int),
]


def frame(x):
    return pd.DataFrame({"a": x[:, 0], "word": np.where(x[:, 1] > 0, "u", "v")})


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_rows_across_the_border_keep_their_order(index):
    both = join(as_records((A, YA)), as_records((B.astype(np.float32), YB)))
    whole = torch.cat([torch.from_numpy(A), torch.from_numpy(B).float().double()])
    assert torch.equal(both.x[index], whole[np.arange(80)[index].copy()])


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_rows_of_tables_across_the_border_keep_their_order(index):
    both = join(as_records((frame(A), YA)), as_records((frame(B), YB)))
    whole = pd.concat([frame(A), frame(B)], ignore_index=True)
    found = both.x[index].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, whole.iloc[index].reset_index(drop=True))


def test_every_batch_is_of_one_type():
    both = join(as_records((A > 0, YA)), as_records((B.astype(np.float32), YB)))
    assert {both.x[index].dtype for index in INDICES} == {torch.float32}


def test_categories_of_both_sets_are_known_in_every_batch():
    one, other = (frame(x).astype({"word": kind}) for x, kind in ((A, "category"), (B, "category")))
    one = one.assign(word=one["word"].cat.rename_categories({"u": "U"}))
    both = join(as_records((one, YA)), as_records((other, YB)))
    for index in INDICES:
        assert list(both.x[index]["word"].cat.categories) == ["U", "v", "u"]


def test_everything_else_follows(tmp_path):
    for name, x, y in (("a", A, YA), ("b", B, YB)):
        np.savez(tmp_path / f"{name}.npz", x=x, y=y, sex=np.where(y > 1, "f", "m"), logits=x[:, :3])
    a, b = (load(tmp_path / f"{n}.npz", groups=["sex"], name=n) for n in "ab")
    both = join(a, b)
    assert len(both) == 80
    assert np.array_equal(both.y, np.concatenate([YA, YB]))
    assert both.id[29:31].tolist() == ["a:29", "b:0"]
    assert np.array_equal(both.groups["sex"], np.where(both.y > 1, "f", "m"))
    assert np.array_equal(both.outputs[25:35].numpy(), np.concatenate([A, B])[25:35, :3])
    assert both.gives == "logits"
    assert both.key == ""
    a, b = scan(a, name="a").records, scan(b, name="b").records
    assert join(a, b).key == join(a, b).key != join(b, a).key
    part = both.take(np.array([79, 2]))
    assert torch.equal(part.x[:], torch.from_numpy(np.stack([B[49], A[2]])))


def test_ids_of_two_kinds_become_text():
    a = replace(as_records((A, YA)), id=np.arange(30))
    assert join(a, as_records((B, YB))).id[[1, 30]].tolist() == ["1", "records:0"]


def test_tensors_of_labels_stay_tensors():
    a, b = as_records((A, torch.from_numpy(YA))), as_records((B, torch.from_numpy(YB)))
    assert isinstance(join(a, b).y, torch.Tensor)
    assert isinstance(join(a, as_records((B, YB))).y, np.ndarray)


@pytest.mark.parametrize(
    ("a", "b", "says"),
    [
        ((A, YA), (B[:, :3], YB), r"\(4,\) and \(3,\)"),
        ((A, YA), (frame(B), YB), r"\(4,\) and a table"),
        ((frame(A), YA), (frame(B)[["word", "a"]], YB), r"\['a', 'word'\] and \['word', 'a'\]"),
        ((A, YA), (B, YB.astype(str)), "labels of both sets"),
        ((A, YA), (B, np.eye(3)[YB]), "labels of both sets"),
    ],
)
def test_sets_that_do_not_fit_are_refused(a, b, says):
    with pytest.raises(InputError, match=says):
        join(as_records(a), as_records(b))


def test_groups_and_outputs_must_be_in_both():
    plain = as_records((A, YA))
    with pytest.raises(InputError, match=r"found \['sex'\] and \[\]"):
        join(replace(plain, groups={"sex": YA}), plain)
    with pytest.raises(InputError, match="found 'logits' and 'none'"):
        join(replace(plain, outputs=torch.from_numpy(A), gives="logits"), plain)


def tables(folder, one, other):
    for place, columns in (("a.csv", one), ("b.csv", other)):
        pd.DataFrame(A, columns=columns).assign(y=YA).to_csv(folder / place, index=False)
    return join(load(folder / "a.csv"), load(folder / "b.csv"))


def test_tables_of_numbers_keep_the_names_of_their_columns(tmp_path):
    assert tables(tmp_path, list("abcd"), list("abcd")).columns == ("a", "b", "c", "d")


def test_tables_of_numbers_whose_columns_stand_in_another_order_are_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"same columns in the same order, found \['a', 'b', 'c', 'd'\] and \['a', 'b'"
    ):
        tables(tmp_path, list("abcd"), list("abdc"))
