"""The place of a table's records in a space of numbers."""

import numpy as np
import pytest

from ml_privacy_meter.synthetic import Table, embedding
from ml_privacy_meter.synthetic.table import WORDS, nearest

NAN = float("nan")


def table(*rows, words=(0, 3)) -> Table:
    return Table(np.array(rows, float), ("number", "word"), words)


def test_numbers_are_standardised_and_different_words_lie_one_apart():
    seen = table([0, 0], [10, 1], [20, 2])
    points = embedding(seen)(seen).astype(float)
    spread = np.std([0, 10, 20])
    assert np.linalg.norm(points[0] - points[1]) == pytest.approx(np.hypot(10 / spread, 1), rel=1e-6)
    assert np.linalg.norm(points[0] - points[2]) == pytest.approx(np.hypot(20 / spread, 1), rel=1e-6)


def test_a_missing_number_is_the_mean_and_a_missing_word_is_a_word():
    seen = table([0, 0], [10, 1], [20, NAN], [NAN, NAN])
    points = embedding(seen)(seen)
    assert points[3, :2].tolist() == [0, 1]
    assert points[0, 1] == 0
    assert np.array_equal(points[2, 2:], points[3, 2:])
    assert np.isfinite(points).all()


def test_what_was_not_seen_has_a_place_too():
    points = embedding(table([5, 0], [5, 0]))(table([5, 0], [7, 2], [NAN, NAN]))
    assert np.isfinite(points).all()
    assert points[0].tolist() != points[1].tolist()


def test_a_number_beside_others_that_are_all_the_same_is_one_apart_whatever_it_is():
    points = embedding(table([5, 0], [5, 0]))(table([5, 0], [5.001, 0], [9e9, 0], [NAN, 0]))
    assert points[:, 0].tolist() == [0, 1, 1, 0]


def test_only_the_commonest_words_count():
    codes = np.r_[np.arange(2 * WORDS), np.arange(WORDS // 2)].astype(float)[:, None]
    many = Table(codes, ("word",), (2 * WORDS,))
    points = embedding(many)(many)
    assert points.shape[1] == WORDS
    assert (points[: WORDS // 2].sum(1) > 0).all()


def test_the_nearest_are_found_by_their_exact_distance():
    rng = np.random.default_rng(0)
    points = (1000 + rng.normal(size=(50, 20))).astype(np.float32)
    asked = np.concatenate([points[:5], (1000 + rng.normal(size=(5, 20))).astype(np.float32)])
    away, rows = nearest(points, asked, count=3)
    slow = np.linalg.norm(asked[:, None].astype(float) - points, axis=2)
    np.testing.assert_allclose(away[5:], np.sort(slow, 1)[5:, :3], rtol=1e-4)
    assert rows[:5, 0].tolist() == [0, 1, 2, 3, 4]
    assert (away[:5, 0] == 0).all()
    assert nearest(points[:2], asked, count=3)[1].shape == (10, 2)


def test_parts_of_a_table_keep_names_and_kinds():
    seen = table([1, 2], [3, 4], [1, 2], [NAN, 4], [NAN, 4])
    assert seen.only(["word"]).words == (3,)
    assert seen.only(["word", "number"]).values[0].tolist() == [2, 1]
    assert seen.take(np.array([1])).values.tolist() == [[3, 4]]
    assert len(seen) == 5
    assert seen.first.tolist() == [0, 1, 3]
