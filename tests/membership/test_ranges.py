"""A range around what the adversary holds of a record tells more than the one point that it holds."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
import worlds
from scipy.stats import binom

from ml_privacy_meter import InputError
from ml_privacy_meter.membership import MembershipGame, describe
from ml_privacy_meter.membership.bavaria import bavaria
from ml_privacy_meter.membership.ranges import noise, range_membership, resampled
from ml_privacy_meter.risk import auc
from ml_privacy_meter.signals.queries import asked_as
from ml_privacy_meter.types import Records

OTHERS = worlds.draw(99)[0]
UNKNOWN = [*range(200)]  # of 300 columns
TABLE = resampled(OTHERS, UNKNOWN, seed=1)
near_row = partial(resampled(OTHERS, UNKNOWN, seed=2), k=1)  # whoever holds it has these columns of somebody else
near_image = partial(asked_as, query=2)  # moved by two pixels


@pytest.fixture(scope="module")
def games() -> list[MembershipGame]:
    return [worlds.leaky(seed, models=4) for seed in (1, 2)]


@pytest.fixture(scope="module")
def images(games) -> MembershipGame:
    """The same records, as images of 10 x 10 pixels in 3 colours."""

    def seeing(model: torch.nn.Module) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Flatten(), model)

    view = games[0].view
    records = replace(view.records, x=view.records.x.reshape(-1, 10, 10, 3))
    there = replace(view, records=records, target=seeing(view.target), references=tuple(map(seeing, view.references)))
    return MembershipGame(there, games[0].member)


def found(game: MembershipGame, **settings) -> float:
    return auc(game.play(partial(range_membership, **settings))).value


def test_a_range_recovers_members_of_which_columns_are_unknown(games):
    gains = []
    for game in games:
        point, around = (found(game, points=TABLE, held=near_row, queries=queries) for queries in (1, 18))
        gains.append(around - point)
        assert around > 0.58
    assert np.mean(gains) > 0.02


def test_a_range_recovers_images_that_were_moved(images):
    point, around = (found(images, held=near_image, queries=queries) for queries in (1, 18))
    assert point < 0.6
    assert around > point + 0.03


def test_finds_nothing_where_there_is_nothing(games, images):
    lucky = 0
    for seed in range(4):
        x, y, _ = worlds.draw(seed + 500, n=300)
        target = worlds.overfitted(x, y)
        for game, settings in ((games[0], {"points": TABLE, "held": near_row}), (images, {"held": near_image})):
            there = target if game is not images else torch.nn.Sequential(torch.nn.Flatten(), target)
            blank = MembershipGame(replace(game.view, target=there), game.member)
            risk = auc(blank.play(partial(range_membership, queries=4, **settings)))
            lucky += risk.low > risk.baseline
    assert lucky <= binom.isf(0.01, 8, 0.025)


def test_one_point_that_is_the_record_is_the_attack_itself(games, images):
    for game, points in ((games[0], TABLE), (games[0], noise(1.0)), (images, None)):
        assert torch.equal(range_membership(game.view, points=points, queries=1), bavaria(game.view))


def test_the_score_is_the_mean_of_what_trimming_leaves(games):
    said = torch.randn(7, 600, generator=torch.Generator().manual_seed(0))

    def numbered(records: Records, k: int) -> Records:
        return replace(records, x=torch.full((600, 1), k))

    def attack(view):
        return said[int(view.records.x[0])]

    asked = partial(range_membership, games[0].view, attack=attack, points=numbered, queries=7)
    ordered = np.sort(said.double().numpy(), axis=0)
    for lowest, highest, kept in (
        (0.5, 0, ordered[3:]),
        (0, 0, ordered),
        (0, 0.3, ordered[:5]),
        (0.3, 0.3, ordered[2:5]),
    ):
        np.testing.assert_allclose(asked(lowest=lowest, highest=highest), kept.mean(0), atol=1e-12)


def test_follows_the_order_of_the_records_and_answers_the_same(games):
    view, order = games[0].view, np.random.default_rng(0).permutation(600)
    x, y = view.records.x, view.records.labels
    turned = replace(view, records=worlds.records(x[order], y[order]), inside=view.inside[order])
    for points in (TABLE, noise(0.5)):
        attack = partial(range_membership, points=points, queries=3, held=partial(points, k=5))
        torch.testing.assert_close(attack(turned), attack(view)[order])
        assert torch.equal(attack(view), attack(view))


def test_records_that_were_taken_from_others_are_moved_themselves(games):
    whole = games[0].view.records
    rows = np.arange(5, 600, 7)
    for points in (TABLE, noise(0.5)):
        part = points(whole.take(rows), 3)
        assert part.base is None
        assert torch.equal(part.x[slice(0, 99)], points(whole, 3).x[rows])


def test_noise_moves_numbers_alone_and_every_record_alike():
    frame = pd.DataFrame({"a": [0.0, 1.0], "b": np.float32([2, 3]), "c": [4, 5], "d": ["u", "v"]})
    records = _table(frame)
    moved = noise(0.1)(records, 4).x[slice(0, 2)]
    assert (moved.dtypes == frame.dtypes).all()
    assert moved[["c", "d"]].equals(frame[["c", "d"]])
    step = moved["a"] - frame["a"]
    assert step[0] == pytest.approx(step[1])
    assert 0 < abs(step[0]) < 0.5
    assert noise(0.1)(records, 0) is records
    assert not noise(0.1, seed=1)(records, 4).x[slice(0, 2)].equals(moved)
    with pytest.raises(InputError, match="floating-point"):
        noise(0.1)(worlds.records(torch.zeros(2, 3, dtype=torch.uint8), torch.zeros(2)), 1).x[slice(0, 2)]


def test_resampled_columns_are_those_of_one_row():
    frame = pd.DataFrame({"a": [0.0, 1.0, 2.0], "b": ["x", "y", "z"], "c": [7, 8, 9]})
    others = pd.DataFrame({"a": [10.0, 11.0], "b": ["p", "q"], "c": [0, 0]})
    points = resampled(others, ["a", "b"])
    rows = {tuple(points(_table(frame), k).x[np.array([2])].iloc[0]) for k in range(1, 9)}
    assert rows == {(10.0, "p", 9), (11.0, "q", 9)}


def test_what_was_read_of_noised_records_is_kept_only_where_they_are_known():
    known = replace(worlds.records(torch.zeros(2, 3), torch.zeros(2)), key="abc")
    keys = {noise(scale, seed=seed)(known, k).key for scale in (0.1, 0.2) for seed in (0, 1) for k in (1, 2)}
    assert len(keys) == 8
    assert "" not in keys
    assert TABLE(known, 1).key == "" == noise(0.1)(replace(known, key=""), 1).key


def test_settings_that_cannot_be_are_refused(games, images):
    for settings in ({"queries": 0}, {"lowest": -0.1}, {"lowest": 0.5, "highest": 0.5}, {"highest": float("nan")}):
        with pytest.raises(InputError, match="1 or more"):
            range_membership(games[0].view, points=TABLE, **settings)
    with pytest.raises(InputError, match="must lie between"):
        noise(0.0)
    with pytest.raises(InputError, match="for images"):
        range_membership(games[0].view)
    with pytest.raises(InputError, match="once"):
        range_membership(images.view, attack=partial(bavaria, queries=2))


def test_says_what_it_ranges_over():
    attack = partial(range_membership, points=noise(0.5), queries=4)
    assert describe(attack) == "range_membership(points=noise, queries=4)"


def _table(frame: pd.DataFrame) -> Records:
    class Table:
        def __len__(self):
            return len(frame)

        def __getitem__(self, index):
            return frame.iloc[index]

    return Records(Table(), torch.zeros(len(frame)), np.arange(len(frame)).astype(str))
