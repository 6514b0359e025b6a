"""Which users are asked about, and by which of their records."""

import numpy as np
import pytest
import torch

from ml_privacy_meter.membership import MembershipGame, View
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.types import Records
from ml_privacy_meter.user_trials import shadows, trials

USERS, EACH = 60, 8
OF = np.arange(USERS).repeat(EACH)
NAME = np.array([f"u{u}" for u in range(USERS)]).repeat(EACH)
PLACE = np.tile(np.arange(EACH), USERS)
INSIDE = OF < USERS // 2


def game(member, inside=None):
    """A game about these records, in which nobody is asked anything."""
    records = Records(torch.zeros(len(OF), 1), torch.zeros(len(OF), dtype=torch.int64), np.arange(len(OF)))
    references = () if inside is None else (torch.nn.Identity(),) * inside.shape[1]
    known = None if inside is None else torch.from_numpy(inside)
    view = View(torch.nn.Identity(), records, Reader(Store()), references, known)
    return MembershipGame(view, torch.from_numpy(member))


def test_of_users_inside_only_what_was_held_out_is_asked_about():
    member = INSIDE & (PLACE < 3)
    held = trials(NAME, game(member), most=4)
    assert held.held_out
    assert not member[held.rows].any()
    assert (held.count == 4).all()
    assert (NAME[held.rows] == held.names[held.of]).all()
    assert (held.inside == [int(name[1:]) < USERS // 2 for name in held.names]).all()
    assert (held.trained == 3 * held.inside).all()


def test_without_such_records_members_are_asked_about():
    held = trials(NAME, game(INSIDE), most=4)
    assert not held.held_out
    assert (INSIDE[held.rows] == held.inside[held.of]).all()


def test_few_held_out_records_are_not_enough():
    member = INSIDE & ((OF >= 19) | (PLACE < 3))
    assert not trials(NAME, game(member), most=4).held_out


def test_users_stand_in_an_order_that_says_nothing():
    held = trials(NAME, game(INSIDE & (PLACE < 3)), most=4)
    assert 5 < held.inside[: USERS // 2].sum() < 25
    again = trials(NAME, game(INSIDE & (PLACE < 3)), most=4)
    other = trials(NAME, game(INSIDE & (PLACE < 3)), most=4, seed=1)
    assert (held.rows == again.rows).all()
    assert (held.rows != other.rows).any()


def test_the_first_records_of_users_with_enough_of_them_are_taken():
    left = np.where(OF % 2, 3, 6)
    member = INSIDE & (left > PLACE)  # 5 or 2 are held out
    held = trials(NAME, game(member), most=4)
    some = held.first(4).reshape(-1, 4)
    assert (held.of[some] == held.users(4)[:, None]).all()
    assert len(held.users(4)) == USERS - USERS // 4
    assert held.among(2, 4).sum() == len(held.users(4))
    assert set(held.first(4)[::4]) < set(held.first(1))


def test_reference_models_know_users_and_records_they_do_not_know_come_first():
    half = (OF % 2 == 0)[:, None] & (PLACE > 4)[:, None]
    held = trials(NAME, game(INSIDE & (PLACE < 2), np.hstack([half, ~half & (PLACE > 4)[:, None]])), most=3)
    assert not held.alone
    assert (PLACE[held.rows] <= 4).all()
    even = np.array([int(name[1:]) % 2 == 0 for name in held.names])
    assert (held.reference[:, 0].numpy() == even[held.of]).all()
    assert (held.reference[:, 1].numpy() == ~even[held.of]).all()


def test_reference_models_of_all_users_are_not_asked_and_the_report_says_so():
    by_record = np.random.default_rng(0).random((len(OF), 2)) < 0.5
    asked = game(INSIDE & (PLACE < 3), by_record)
    held = trials(NAME, asked, most=4)
    assert held.alone
    assert "half of the users" in held.note
    assert held.game(asked.view).view.references == ()
    assert held.game(asked.view).view.inside is None


def test_what_trained_a_record_stays_so_where_records_were_trained_on():
    by_record = np.random.default_rng(0).random((len(OF), 2)) < 0.5
    asked = game(INSIDE, by_record)
    held = trials(NAME, asked, most=4)
    assert (held.game(asked.view).view.inside.numpy() == by_record[held.rows]).all()


def test_records_of_one_user_play_in_one_fold():
    member = INSIDE & (PLACE < 3)
    asked = game(member)
    held = trials(NAME, asked, most=4)
    of = dict(zip(held.rows.tolist(), held.of.tolist(), strict=True))
    seen = []

    def attack(view):
        mine, others = ({of[held.rows[i]] for i in rows.rows} for rows in (view.records, view.population))
        seen.append((mine, others))
        return torch.zeros(len(view.records))

    attack.needs_population = True
    held.game(asked.view).play(attack, dealt=held.dealt)
    assert len(seen) == 5
    assert all(not mine & others and others for mine, others in seen)


@pytest.mark.parametrize("held_out", [True, False])
def test_shadows_hold_users_of_their_own_with_the_right_truth(held_out):
    user_in = (OF % 2 == 0) if held_out else np.isin(OF % 4, (0, 1))
    here = user_in & (PLACE < 4)
    asked = game(INSIDE & (PLACE < 3), np.stack([here, np.ones_like(here)], 1))
    (one,) = shadows(NAME, asked.view, known=3, held_out=held_out)  # the other model has no users outside
    rows = one.records.rows.reshape(-1, 3)
    assert (NAME[rows] == NAME[rows[:, :1]]).all()
    assert (one.inside.numpy() == user_in[rows[:, 0]]).all()
    trained = here[rows]
    assert not trained[~one.inside.numpy()].any()
    assert trained[one.inside.numpy()].all() == (not held_out)
    assert trained[one.inside.numpy()].any() == (not held_out)
    assert len(rows) == USERS
