"""Canaries among records: what they are, and that coins alone decide which are in."""

import numpy as np
import pandas as pd
import pytest

from ml_privacy_meter import InputError
from ml_privacy_meter.canaries import plant

X = np.arange(300, dtype=np.float32).reshape(100, 3)
Y = np.arange(100) % 4


def test_a_mislabelled_canary_keeps_its_features_and_gets_any_other_label():
    planted = plant(X, Y, "mislabelled", 60, 0)
    was = (planted.x[:, 0] / 3).astype(int)  # the record that each row was
    assert sorted(was) == list(range(100))
    assert planted.canary.sum() == 60
    assert (planted.x == X[was]).all()
    assert (planted.y[~planted.canary] == Y[was[~planted.canary]]).all()
    moved = (planted.y[planted.canary] - Y[was[planted.canary]]) % 4
    assert set(moved) == {1, 2, 3}


def test_a_random_canary_takes_each_column_from_that_columns_values():
    planted = plant(X, Y, "random", 200, 0)
    made = planted.x[planted.canary]
    assert len(made) == 200
    assert len(planted.x) == 300
    assert made.dtype == X.dtype
    for column in range(3):
        assert set(made[:, column]) <= set(X[:, column])
    assert abs(np.corrcoef(made.T)[0, 1]) < 0.3  # in the records: 1
    assert set(planted.y[planted.canary]) == {0, 1, 2, 3}


@pytest.mark.parametrize("kind", ["mislabelled", "random"])
def test_a_coin_for_each_canary_says_whether_it_is_in_and_all_others_are(kind):
    inside = []
    for seed in range(200):
        planted = plant(X, Y, kind, 100, seed)
        assert planted.inside[~planted.canary].all()
        inside.append(planted.inside[planted.canary].sum())
    assert abs(np.mean(inside) - 50) < 1.5  # 4 standard errors
    assert abs(np.var(inside) - 25) < 10  # an exact half would have none


def test_canaries_lie_anywhere_among_the_records():
    places = np.flatnonzero(plant(X, Y, "random", 100, 0).canary)
    assert 60 < places.mean() < 140


def test_the_same_seed_plants_the_same_and_another_others():
    one, same, other = (plant(X, Y, "mislabelled", 50, seed) for seed in (3, 3, 4))
    assert (one.x == same.x).all()
    assert (one.inside == same.inside).all()
    assert (one.canary != other.canary).any()


@pytest.mark.parametrize("kind", ["mislabelled", "random"])
def test_a_table_keeps_the_kinds_of_its_columns(kind):
    table = pd.DataFrame({"age": np.arange(100), "town": pd.Categorical(np.array(["a", "b"])[np.arange(100) % 2])})
    planted = plant(table, np.array(["yes", "no"])[np.arange(100) % 2], kind, 40, 0)
    assert planted.x.dtypes.equals(table.dtypes)
    assert planted.x.index.equals(pd.RangeIndex(len(planted.y)))
    assert set(planted.y) == {"yes", "no"}


def test_labels_that_are_several_or_quantities_are_drawn_too():
    several = np.eye(5, dtype=bool)[np.arange(100) % 5]
    planted = plant(X, several, "mislabelled", 100, 0)
    assert (planted.y.sum(1) == 1).all()
    assert (planted.y != several[(planted.x[:, 0] / 3).astype(int)]).any(1).all()
    assert plant(X, np.linspace(0, 1, 100), "mislabelled", 100, 0).y.dtype == np.float64


@pytest.mark.parametrize(
    ("kind", "count", "labels", "says"),
    [
        ("mislabelled", 101, Y, "20 to 100"),
        ("mislabelled", 19, Y, "19"),
        ("mislabeled", 50, Y, "Did you mean `mislabelled`"),
        ("random", 50, np.zeros(100, int), "two labels"),
    ],
)
def test_what_cannot_be_planted_is_refused(kind, count, labels, says):
    with pytest.raises(InputError, match=says):
        plant(X, labels, kind, count, 0)
