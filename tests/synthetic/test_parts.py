"""Linking and inferring by the nearest synthetic record."""

import numpy as np
import pytest
import synthetic_worlds as worlds
import torch
from scipy.stats import binom

from ml_privacy_meter import InputError
from ml_privacy_meter.risk.controlled import controlled
from ml_privacy_meter.synthetic import (
    GuessGame,
    GuessView,
    LinkView,
    Table,
    Tries,
    link_by_nearest,
    nearest_value,
    single_out,
)

GAMES = {
    "linking": (worlds.linking, link_by_nearest),
    "guessing words": (worlds.guessing, nearest_value),
    "guessing numbers": (
        lambda seed=0, *, copies: worlds.guessing(seed, copies=copies, secret="income"),
        nearest_value,
    ),
    "singling out by one column": (worlds.singling, lambda view: single_out(view, columns=1)),
    "singling out by three columns": (worlds.singling, lambda view: single_out(view, columns=3)),
}
EACH = pytest.mark.parametrize("game", GAMES)


def risk_of(tries: Tries):
    return controlled(tries.members, tries.others, paired=tries.paired, alike=tries.alike)


@EACH
def test_finds_the_leak_where_there_is_one(game):
    made, attack = GAMES[game]
    tries = made(copies=True).play(attack)
    assert risk_of(tries).low > 0
    assert tries.members.double().mean() > 2 * tries.luck.double().mean()


@EACH
@pytest.mark.usefixtures("unchecked")
def test_finds_nothing_in_a_fresh_draw_more_often_than_luck_explains(game):
    made, attack = GAMES[game]
    found = [risk_of(made(seed, copies=False).play(attack)).low > 0 for seed in range(10)]
    assert sum(found) <= binom.isf(0.01, len(found), 0.025)


@EACH
def test_gives_the_same_answers_to_the_same_view(game):
    made, attack = GAMES[game]
    one, other = (made(copies=True).play(attack) for _ in range(2))
    assert torch.equal(one.members, other.members)
    assert torch.equal(one.luck, other.luck)


def test_guesses_follow_the_order_of_the_records():
    view = worlds.guessing(copies=True).view
    order = np.random.default_rng(1).permutation(len(view.known))
    moved = GuessView(view.known.take(order), view.synthetic, view.secret)
    np.testing.assert_array_equal(nearest_value(moved), nearest_value(view)[order])


def test_links_follow_the_order_of_each_table():
    view = worlds.linking(copies=True).view
    order = np.random.default_rng(1).permutation(len(view.left))
    (left, right), moved = (
        link_by_nearest(view),
        link_by_nearest(LinkView(view.left.take(order), view.right, view.synthetic)),
    )
    np.testing.assert_array_equal(moved[0], left[order])
    np.testing.assert_array_equal(moved[1], right)


def test_repeated_copies_are_linked_as_one():
    game = worlds.linking(copies=False)
    _, members, _, _ = worlds.sides(0, copies=False)
    thrice = worlds.joined(members, members, members)
    tries = type(game)(LinkView(game.view.left, game.view.right, thrice), game.partner, game.member).play(
        link_by_nearest
    )
    assert tries.members.double().mean() > 0.8


def test_more_neighbours_link_more_rows_of_members_and_of_others():
    game = worlds.linking(copies=True)
    few, many = (game.play(lambda v, k=k: link_by_nearest(v, neighbours=k)) for k in (1, 8))
    assert many.members.sum() > few.members.sum()
    assert many.others.sum() > few.others.sum()
    assert many.luck.sum() > few.luck.sum()


def numbers(*values: float) -> Table:
    return Table(np.array([values], float).T, ("a",), (0,))


def guessed(truth, guess, *, drawn=(1.0, 1.0, 1.0, 9.0), words: int = 0, tolerance: float = 0.05) -> Tries:
    """Members are the first half."""
    synthetic = Table(np.array([drawn, drawn], float).T, ("known", "secret"), (0, words))
    view = GuessView(Table(np.zeros((len(truth), 1)), ("known",), (0,)), synthetic, "secret")
    member = torch.arange(len(truth)) < len(truth) // 2
    return GuessGame(view, np.array(truth, float), member, tolerance).play(lambda _: np.array(guess, float))


def test_a_number_is_guessed_within_a_share_of_it_and_a_word_is_guessed_or_not():
    tries = guessed([100, 100, -100, 0], [104.9, 105.1, -95.1, 0])
    assert tries.members.tolist() == [True, False]
    assert tries.others.tolist() == [True, True]
    assert guessed([100, 100], [100, 101], words=200, tolerance=0.5).others.tolist() == [False]


def test_a_missing_value_is_guessed_by_saying_so():
    tries = guessed([np.nan, 1, np.nan, 1], [np.nan, np.nan, 1, 1])
    assert tries.members.tolist() == [True, False]
    assert tries.others.tolist() == [False, True]


def test_luck_is_the_guess_that_fits_most_synthetic_records():
    assert guessed([1, 9, 1, 9], [0, 0, 0, 0]).luck.tolist() == [True, False]
    close = [96.0, 100.0, 104.0, 5.0, 5.0]  # of numbers: the one most lie near to
    assert guessed([100, 5, 100, 5], [0, 0, 0, 0], drawn=close).luck.tolist() == [True, False]
    gaps = [np.nan, np.nan, np.nan, 1.0]
    assert guessed([np.nan, 1, 1, 1], [0, 0, 0, 0], drawn=gaps).luck.tolist() == [True, False]


def test_a_guess_is_wanted_for_each_record():
    with pytest.raises(InputError, match="2 records"):
        guessed([1, 1], [1, 1, 1])
