"""Shares beside shares: what is said to be sure is so, and luck alone shows nothing."""

import numpy as np
import pytest

from ml_privacy_meter.recitation.compared import Side, Trials, compared


def one(hits, *sides):
    return compared([Trials("a", "b", np.array(hits, bool), list(sides))], confidence=0.95)[0]


def test_a_figure_shows_where_it_lies_above_every_side():
    many, few, none = np.arange(100) < 60, np.arange(100) < 10, np.zeros(100, bool)
    assert one(many, Side("x", few, paired=False), Side("y", none, paired=True)).shows
    assert not one(many, Side("x", few, paired=False), Side("y", many, paired=False)).shows
    assert not one(few, Side("x", many, paired=False)).shows
    assert not one(many).shows


def test_the_baseline_is_the_greatest_side_and_the_interval_is_wilsons():
    found = one(
        np.arange(50) < 20, Side("x", np.arange(40) < 4, paired=False), Side("y", np.zeros(50, bool), paired=True)
    )
    assert (found.risk.value, found.risk.baseline, found.risk.trials) == (0.4, 0.1, 50)
    assert (found.risk.low, found.risk.high) == pytest.approx((0.2761, 0.5382), abs=1e-4)
    assert found.beside[0].excess.value == pytest.approx(0.3)
    assert found.beside[0].excess.surely < found.beside[0].excess.low < 0.3 < found.beside[0].excess.high


def test_answers_to_the_same_trials_are_told_apart_more_surely():
    hits, fewer = np.arange(200) < 60, np.arange(200) < 45
    paired, apart = (one(hits, Side("x", fewer, paired=how)).beside[0].excess for how in (True, False))
    assert paired.low > 0 > apart.low


def test_sides_and_figures_without_trials_are_left_out():
    nothing = np.zeros(0, bool)
    assert one(np.ones(5, bool), Side("x", nothing, paired=False)).beside == ()
    empty = one(nothing, Side("x", np.ones(5, bool), paired=False))
    assert empty.risk.value is None
    assert not empty.shows


def test_luck_alone_seldom_shows_anything(unchecked):
    rng = np.random.default_rng(0)
    shown = 0
    for _ in range(300):
        trials = [
            Trials(str(n), "", rng.random(80) < rate, [Side("x", rng.random(70) < rate, paired=False)])
            for n, rate in enumerate((0.02, 0.2, 0.5, 0.9))
        ]
        shown += any(figure.shows for figure in compared(trials, confidence=0.95))
    assert shown <= 300 * 0.05
