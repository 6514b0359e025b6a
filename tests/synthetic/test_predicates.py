"""Descriptions of one record."""

import numpy as np
import pytest
import synthetic_worlds as worlds

from ml_privacy_meter import InputError
from ml_privacy_meter.synthetic import Condition, SinglingGame, SinglingView, Table, single_out
from ml_privacy_meter.synthetic.predicates import only_one

SMALL = Table(np.array([[1, 0], [2, 0], [3, 1], [np.nan, 2.0]]), ("number", "word"), (0, 3))


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        (Condition(0, "at most", 2), [0, 1]),
        (Condition(0, "at least", 2), [1, 2]),
        (Condition(0, "equals", 3), [2]),
        (Condition(0, "missing"), [3]),
        (Condition(1, "equals", 0), [0, 1]),
    ],
)
def test_a_condition_holds_where_it_says(condition, rows):
    assert np.flatnonzero(condition.holds(SMALL.values)).tolist() == rows


def test_a_description_of_one_record_names_it():
    assert only_one((Condition(0, "at least", 2), Condition(1, "equals", 0)), SMALL) == 1
    assert only_one((Condition(1, "equals", 0),), SMALL) is None
    assert only_one((Condition(1, "equals", 7),), SMALL) is None


def test_a_second_record_is_found_wherever_it_lies():
    for second in (1, 999, 1_000, 1_001, 8_999, 9_000, 19_999):
        values = np.zeros((20_000, 1))
        values[[0, second]] = 1
        assert only_one((Condition(0, "equals", 1),), Table(values, ("a",), (0,))) is None
    values = np.zeros((20_000, 1))
    values[9_123] = 1
    assert only_one((Condition(0, "equals", 1),), Table(values, ("a",), (0,))) == 9_123


def test_one_column_singles_out_by_extremes_lone_values_and_lone_gaps():
    told = single_out(SinglingView(SMALL, 100), columns=1)
    assert {(c.column, c.relation, c.value) for (c,) in told} == {
        *((0, "equals", value) for value in (1.0, 2.0, 3.0)),
        *((0, "at most", 1.0), (0, "at least", 3.0), (0, "missing", 0.0)),
        *((1, "equals", 1.0), (1, "equals", 2.0)),
    }


def test_extremes_come_before_lone_values():
    table = worlds.draw(np.random.default_rng(0))
    relations = [c.relation for (c,) in single_out(SinglingView(table, 10), columns=1)]
    assert sorted(relations)[:6] == ["at least"] * 3 + ["at most"] * 3


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_every_description_fits_one_synthetic_record_and_is_told_once(columns):
    table = worlds.draw(np.random.default_rng(0))
    told = single_out(SinglingView(table, 60), columns=columns)
    assert len(told) == len(set(told)) >= 30
    assert all(len(one) == columns and only_one(one, table) is not None for one in told)


def test_records_that_stand_twice_are_described_all_the_same():
    table = worlds.draw(np.random.default_rng(0))
    assert len(single_out(SinglingView(worlds.joined(table, table), 60), columns=3)) == 60


def test_a_word_for_word_copy_is_singled_out():
    rng = np.random.default_rng(0)
    members, others = worlds.draw(rng), worlds.draw(rng)
    tries = SinglingGame(SinglingView(members, 200), members, others).play(lambda view: single_out(view, columns=3))
    assert bool(tries.members.all())
    assert tries.others.double().mean() < 0.6
    assert tries.luck.double().mean() < 0.3


def test_tries_that_hit_one_record_count_as_one():
    rng = np.random.default_rng(0)
    members, others = worlds.draw(rng), worlds.draw(rng)
    row = members.values[0]
    game = SinglingGame(SinglingView(members, 50), members, others)
    told = (Condition(0, "equals", float(row[0])),), (Condition(1, "equals", float(row[1])),)
    assert game.play(lambda _: told * 10).alike == 20
    assert game.play(lambda _: told[:1]).alike == 1


def test_singling_out_is_compared_on_equally_many_records():
    table = worlds.draw(np.random.default_rng(0))
    with pytest.raises(InputError, match="equally many"):
        SinglingGame(SinglingView(table, 5), table, table.take(np.arange(9)))
    with pytest.raises(InputError, match="relation"):
        Condition(0, "at mots")
