"""The records of an attack, read as in 2020 and told apart by their content."""

import inspect

import numpy as np
import pytest
import torch

import ml_privacy_meter
from ml_privacy_meter import InputError
from ml_privacy_meter.utils.attack_data import attack_data

RNG = np.random.default_rng(0)
X = RNG.integers(0, 256, (90, 3, 4, 5))
Y = RNG.integers(0, 4, 90)
SHAPE = (4, 5, 3)


def lines_of(rows, y=Y):
    parts = [";".join(",".join(map(str, channel)) for channel in X[i].reshape(3, -1).tolist()) for i in rows]
    return [f"{part};{y[i]}" for part, i in zip(parts, rows, strict=True)]


@pytest.fixture
def write(tmp_path):
    """Writes a data set and the members' rows; gives the paths as the arguments of `attack_data`."""

    def written(everyone, members):
        (tmp_path / "all.txt").write_text("\n".join(everyone) + "\n")
        np.save(tmp_path / "members.npy", np.array([line.split(";") for line in members]))
        return {"dataset_path": tmp_path / "all.txt", "member_dataset_path": tmp_path / "members.npy"}

    return written


def read(paths, **settings):
    usual = {"batch_size": 10, "attack_percentage": 40, "input_shape": SHAPE}
    # as its users call it: without the tests' own look at annotations
    return inspect.unwrap(attack_data)(**(paths | usual | settings))


def rows_of(records):
    """Which of the images these are."""
    x = records.x[0 : len(records)].numpy()
    return [int(np.flatnonzero((X.transpose(0, 2, 3, 1) == one).all((1, 2, 3)))[0]) for one in x]


def test_the_share_trains_the_attack_and_the_others_test_it(write):
    data = read(write(lines_of(range(90)), lines_of(range(30))))
    train, test = data.load_train(), data.load_test()
    assert [len(side) for side in (train.members, train.non_members)] == [12, 12]
    assert [len(side) for side in (test.members, test.non_members)] == [18, 18]
    members = rows_of(train.members) + rows_of(test.members)
    others = rows_of(train.non_members) + rows_of(test.non_members)
    assert sorted(members) == list(range(30))
    assert len(set(others)) == 30
    assert min(others) >= 30
    assert [int(one.split(":")[1]) for one in train.members.id] == rows_of(train.members)
    assert train.members.y.tolist() == Y[rows_of(train.members)].tolist()


def test_it_is_found_where_it_was_in_2020():
    assert ml_privacy_meter.utils.attack_data.attack_data is attack_data


def test_a_member_never_passes_as_a_non_member_however_it_is_written(write):
    """Other digits, other labels, other widths of text: what counts is the content."""
    again = [line.replace(",", ".0, ").rpartition(";")[0] + ";3" for line in lines_of(range(30))]
    data = read(write(lines_of(range(90)) + again * 2, lines_of(range(30))))
    for sides in (data.load_train(), data.load_test()):
        assert min(rows_of(sides.non_members)) >= 30
        assert not set(sides.keys[: len(sides.members)]) & set(sides.keys[len(sides.members) :])


def test_a_number_alone_is_how_many_features_there_are(tmp_path):
    lines = [f"{i},{i + 1};0\n" for i in range(90)]
    for name, kept in (("all.txt", lines), ("members.txt", lines[:30])):
        (tmp_path / name).write_text("".join(kept))
    data = attack_data(tmp_path / "all.txt", tmp_path / "members.txt", 4, 50, input_shape=2)
    assert data.input_shape == (2,)


def test_what_stands_twice_never_trains_and_tests_an_attack(write):
    everyone, members = lines_of(range(90)) * 3, lines_of(range(30)) * 2
    data = read(write(everyone, members))
    train, test = data.load_train(), data.load_test()
    assert len(train.members) + len(test.members) == 30
    assert not set(train.keys) & set(test.keys)


def test_fewer_non_members_than_members_are_shared_out_alike(write):
    data = read(write(lines_of(range(60)), lines_of(range(40))), attack_percentage=50)
    train, test = data.load_train(), data.load_test()
    assert [len(side) for side in (train.members, train.non_members)] == [20, 10]
    assert [len(side) for side in (test.members, test.non_members)] == [20, 10]


def test_the_seed_alone_says_who_trains_the_attack(write):
    paths = write(lines_of(range(90)), lines_of(range(30)))
    drawn = [rows_of(read(paths, seed=seed).load_train().members) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_channels_stand_where_the_model_wants_them(write):
    data = read(write(lines_of(range(90)), lines_of(range(30))))
    last, first = data.load_test().members.x, data.load_test(channels_last=False).members.x
    assert last[0:2].shape == (2, 4, 5, 3)
    assert torch.equal(first[0:18], last[0:18].permute(0, 3, 1, 2))


def test_images_are_normalized_with_the_moments_of_the_members(write):
    paths = write(lines_of(range(90)), lines_of(range(30)))
    data = read(paths, normalization=True)
    pixels = X[:30].transpose(0, 2, 3, 1).reshape(-1, 3) / 255
    assert np.allclose(data.means, pixels.mean(0))
    assert np.allclose(data.stddevs, pixels.std(0))
    row = int(data.load_train().members.id[0].split(":")[1])
    expected = (X[row].transpose(1, 2, 0) / 255 - pixels.mean(0)) / pixels.std(0)
    assert np.allclose(data.load_train().members.x[0:1][0].numpy(), expected, atol=1e-5)


def test_means_and_stddevs_may_be_set(write):
    data = read(write(lines_of(range(90)), lines_of(range(30))), normalization=True)
    plain = read(write(lines_of(range(90)), lines_of(range(30)))).load_test().non_members.x[0:3]
    data.means, data.stddevs = [0.5, 0.4, 0.3], [0.2, 0.2, 0.1]
    expected = (plain / 255 - torch.tensor([0.5, 0.4, 0.3])) / torch.tensor([0.2, 0.2, 0.1])
    assert torch.allclose(data.load_test().non_members.x[0:3], expected, atol=1e-6)
    for name, wrong in (("means", [0.5, 0.4]), ("stddevs", [0.2, 0.0, 0.1]), ("means", [0.5, float("nan"), 0])):
        data.means, data.stddevs = [0.5, 0.4, 0.3], [0.2, 0.2, 0.1]
        setattr(data, name, wrong)
        with pytest.raises(InputError, match=f"`{name}` must be finite numbers.*one for each channel"):
            data.load_test()


def test_vectors_are_normalized_feature_by_feature(tmp_path):
    x = RNG.normal(3, 2, (60, 4)).astype(np.float32)
    x[:, 2] = 7
    np.savez(tmp_path / "all.npz", x=x, y=np.arange(60) % 2)
    np.savez(tmp_path / "members.npz", x=x[:30], y=np.arange(30) % 2)
    data = attack_data(tmp_path / "all.npz", tmp_path / "members.npz", 10, 50, normalization=True, input_shape=(4,))
    seen = torch.cat([side.members.x[0:15] for side in (data.load_train(), data.load_test())])
    assert torch.allclose(seen.mean(0), torch.zeros(4), atol=1e-5)
    assert torch.allclose(seen.std(0, correction=0), torch.tensor([1.0, 1, 0, 1]), atol=1e-4)


def test_sides_can_be_thinned_by_content(write):
    data = read(write(lines_of(range(90)), lines_of(range(30))))
    test = data.load_test()
    rest = test.without(test.keys[[0, 20]])
    assert rows_of(rest.members) == rows_of(test.members)[1:]
    assert rows_of(rest.non_members) == [r for i, r in enumerate(rows_of(test.non_members)) if i != 2]
    assert list(rest.keys) == [k for i, k in enumerate(test.keys) if i not in (0, 20)]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"attack_percentage": 0}, "`attack_percentage` must lie between 0 and 100"),
        ({"attack_percentage": 100}, "`attack_percentage` must lie between 0 and 100"),
        ({"attack_percentage": 1}, r"attack_percentage` is 1\."),
        ({"attack_percentage": "50"}, "`attack_percentage` must lie between 0 and 100, found '50'"),
        ({"attack_percentage": None}, "`attack_percentage` must lie between 0 and 100, found None"),
        ({"batch_size": 0}, "`batch_size` must be a whole number of at least 1"),
        ({"batch_size": "10"}, "`batch_size` must be a whole number of at least 1, found '10'"),
        ({"seed": None}, "`seed` must be a whole number"),
        ({"input_shape": "32"}, r"`input_shape\[0\]` must be a whole number of at least 1, found '32'"),
        ({"input_shape": (4, 4, 2.5)}, r"`input_shape\[2\]` must be a whole number of at least 1, found 2.5"),
        ({"dataset_path": None}, "data set must be named by a path, found a NoneType"),
        ({"input_shape": (0, 5, 1)}, r"`input_shape\[0\]` must be a whole number of at least 1, found 0"),
        ({"input_shape": (4, 5, 1)}, "must hold as many numbers as `input_shape`"),
        ({"input_shape": (5, 5, 3)}, "found 20 in each channel .* and 5 x 5"),
    ],
)
def test_what_cannot_be_is_refused(settings, says, write):
    paths = write(lines_of(range(90)), lines_of(range(30)))
    with pytest.raises(InputError, match=says):
        read(paths, **settings)


def test_a_data_set_of_members_alone_is_refused(write):
    with pytest.raises(InputError, match=r"found 30 members in .*, and 0 other records"):
        read(write(lines_of(range(30)) * 2, lines_of(range(30))))


def test_members_as_python_objects_are_refused(write, tmp_path):
    paths = write(lines_of(range(90)), lines_of(range(30)))
    np.save(tmp_path / "members.npy", np.array([line.split(";") for line in lines_of(range(30))], dtype=object))
    with pytest.raises(InputError, match="Python objects"):
        read(paths)
