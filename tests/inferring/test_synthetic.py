"""An audit of synthetic records, in worlds in which it is known what they tell."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import synthetic_worlds as worlds
import torch

from ml_privacy_meter import InputError
from ml_privacy_meter.inferring.synthetic import audit_synthetic
from ml_privacy_meter.inferring.synthetic_plays import linking
from ml_privacy_meter.inferring.synthetic_sets import APART, LIKE, sets_of
from ml_privacy_meter.inferring.tables import rows_of, tables
from ml_privacy_meter.risk.checks import SHIFT

QUICK = {"attacks": ["distance_to_closest"], "risks": ["inference"], "inferred": ["job"], "tries": 300}
MEMBERSHIP = ["domias", "density", "distance_to_closest", "calibrated_distance"]


def frame(seed: int, count: int = 400) -> pd.DataFrame:
    """People, jobs and towns as words."""
    table = worlds.draw(np.random.default_rng(seed), count)
    made = pd.DataFrame(table.values, columns=list(table.columns))
    return made.assign(job=[f"job {int(job)}" for job in made["job"]], town=[f"town {int(t)}" for t in made["town"]])


MEMBERS, OTHERS, FRESH, REAL = (frame(seed) for seed in range(4))


def test_copies_tell_of_the_training_records_by_every_attack():
    game = audit_synthetic(MEMBERS.sample(frac=1, random_state=0), MEMBERS, OTHERS, reference=REAL, tries=150)
    assert game.shows is True
    assert [one.attack for one in game.tried] == [
        *MEMBERSHIP,
        *("single_out(columns=1)", "single_out(columns=4)", "link_by_nearest(neighbours=1)"),
        *(f"nearest_value: {name}" for name in worlds.NAMES),
    ]
    assert all(one.shows for one in game.tried)
    assert game.risks["distance_to_closest"]["AUC"].value > 0.99
    assert game.risks["nearest_value: income"]["risk"].value > 0.9
    assert "tell of the training records: 12 of 12" in game.verdict
    assert "400 of 400 members" in game.notes[-1]


def test_a_fresh_draw_tells_nothing_and_is_not_called_safe():
    game = audit_synthetic(FRESH, MEMBERS, OTHERS, reference=REAL, tries=300)
    assert game.shows is False
    assert game.verdict.startswith("No leak was shown")
    assert "no leak." not in game.verdict.lower()
    assert abs(game.risks["nearest_value: job"]["risk"].value) < 0.15
    assert all(check.passed for check in game.checks)
    assert game.risks["blind classifier"]["AUC"].low < 0.5


def test_columns_drawn_by_themselves_allow_no_conclusion_from_inference():
    rng = np.random.default_rng(0)
    alone = FRESH.apply(lambda column: rng.permutation(column.to_numpy()))
    game = audit_synthetic(alone, MEMBERS, OTHERS, reference=REAL, risks=["inference"])
    told = {one.attack: one for one in game.tried}
    for name in ("job", "town"):
        assert told[f"nearest_value: {name}"].shows is None
        assert "not shown to be right more often" in told[f"nearest_value: {name}"].note
    assert not game.shows


def test_a_few_copies_show_in_the_rate_at_few_false_alarms_and_so_in_the_verdict():
    few = pd.concat([MEMBERS[:40], FRESH[:360]])
    (one,) = audit_synthetic(few, MEMBERS, OTHERS, reference=REAL, attacks=["distance_to_closest"], risks=[]).tried
    assert one.excess.name == "TPR@1%FPR above chance"
    assert one.shows


def test_several_attacks_are_held_to_more_than_one():
    alone = audit_synthetic(FRESH, MEMBERS, OTHERS, reference=REAL, attacks=["density"], risks=[]).tried[0]
    beside = audit_synthetic(FRESH, MEMBERS, OTHERS, reference=REAL, tries=30).tried[1]
    assert alone.risks[0].low == beside.risks[0].low
    assert beside.excess.surely < alone.excess.surely < alone.excess.low
    copied = audit_synthetic(MEMBERS, MEMBERS, OTHERS, **QUICK).tried[1]
    assert copied.excess.baseline < copied.excess.surely < copied.excess.low


def test_the_same_seed_gives_the_same_game_whatever_else_is_played():
    one, same, other = (audit_synthetic(FRESH, MEMBERS, OTHERS, **QUICK, seed=seed) for seed in (0, 0, 1))
    assert str(one) == str(same)
    assert str(one) != str(other)
    alone = audit_synthetic(FRESH, MEMBERS, OTHERS, **{**QUICK, "attacks": []})
    assert alone.tried[0].risks == one.tried[1].risks


def test_the_false_comfort_of_a_bad_reference_is_said():
    game = audit_synthetic(FRESH, MEMBERS, OTHERS, reference=pd.concat([REAL[:300], MEMBERS[:100]]), **QUICK)
    (apart,) = (check for check in game.checks if check.name == APART)
    assert not apart.passed
    assert apart.voids
    shifted = REAL.assign(age=REAL["age"] + 30)
    game = audit_synthetic(FRESH, MEMBERS, OTHERS, reference=shifted, **QUICK)
    (like,) = (check for check in game.checks if check.name == LIKE)
    assert not like.passed
    assert "another source" in like.says
    with pytest.raises(InputError, match="must hold no training records"):
        audit_synthetic(FRESH, MEMBERS, OTHERS, reference=MEMBERS[:300], **QUICK)


def test_records_that_repeat_by_chance_are_no_overlap():
    def coarse(seed):
        return pd.DataFrame({"job": frame(seed)["job"], "town": frame(seed)["town"]})

    game = audit_synthetic(coarse(2), coarse(0), coarse(1), reference=coarse(3), **QUICK)
    assert next(check for check in game.checks if check.name == APART).passed
    few = pd.DataFrame({"job": ["cook", "judge"] * 50})
    assert audit_synthetic(few, few, few, reference=few, attacks=[], risks=[]).tried == ()
    rng = np.random.default_rng(0)
    many, some, real = (rng.integers(0, 500, (count, 1)) for count in (4_000, 80, 300))  # nearly all 500 are members
    game = audit_synthetic(some, many, some, reference=real, attacks=[], risks=[])
    assert next(check for check in game.checks if check.name == APART).passed


def test_sets_of_two_sources_void_the_figures():
    shifted = OTHERS.assign(age=OTHERS["age"] + 30)
    game = audit_synthetic(MEMBERS, MEMBERS, shifted, **QUICK)
    (check,) = (check for check in game.checks if check.name == SHIFT)
    assert check.voids
    assert not check.passed
    assert game.verdict.startswith("These figures measure something else")


def test_a_record_on_both_sides_is_named_by_its_row():
    game = audit_synthetic(FRESH, MEMBERS, pd.concat([OTHERS, MEMBERS[5:6]]), **QUICK)
    (check,) = (check for check in game.checks if check.ids)
    assert check.ids == ("members:5 = non_members:400",)


def test_no_record_stands_in_what_is_returned():
    told = repr(audit_synthetic(MEMBERS, MEMBERS, OTHERS, reference=REAL, tries=30))
    assert not re.search(r"(town|job) \d", told)
    assert not any(f"{income:.4f}" in told for income in MEMBERS["income"])


def test_half_the_non_members_serve_where_no_reference_is_given():
    game = audit_synthetic(FRESH, MEMBERS, OTHERS, **QUICK)
    assert "200 of the non-members, drawn" in game.notes[1]
    assert game.tried[0].risks[0].trials == 600


def test_fewer_non_members_than_members_are_said_to_hide_singling_out():
    settings = {"attacks": [], "risks": ["singling out"], "columns": [2], "tries": 50}
    game = audit_synthetic(FRESH, MEMBERS, OTHERS[:150], reference=REAL, **settings)
    assert any("more rarely than it occurs" in note for note in game.notes)


def test_arrays_of_numbers_are_audited_too():
    rng = np.random.default_rng(0)
    members, others = rng.normal(size=(2, 200, 6))
    settings = {"inferred": ["0"], "known": ["1", "2"], "link": ["0", "3"], "columns": [2], "tries": 100}
    game = audit_synthetic(members, torch.from_numpy(members), others, **settings)
    assert game.risks["distance_to_closest"]["AUC"].value == 1
    assert "a table of 0, 3 and" in " ".join(game.notes)


def test_a_wide_table_is_inferred_only_where_it_is_asked_for():
    rng = np.random.default_rng(0)
    members, others, synthetic = rng.normal(size=(3, 80, 30))
    game = audit_synthetic(synthetic, members, others, attacks=[], risks=["inference"])
    assert game.tried == ()
    assert "Name those that matter" in game.notes[-1]
    assert game.verdict.startswith("Nothing can be said")


def test_a_strangers_attack_that_fails_costs_the_others_nothing():
    def broken(view):
        """Nothing."""
        raise KeyError("age")

    game = audit_synthetic(FRESH, MEMBERS, OTHERS, **{**QUICK, "attacks": [broken, "domias"]})
    assert game.tried[0].failed == "KeyError: 'age'"
    assert game.tried[1].excess is not None


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"attacks": ["domain"]}, "Did you mean `domias`"),
        ({"risks": ["inferring"]}, "Did you mean `inference`"),
        ({"inferred": ["jobs"]}, "Did you mean `job`"),
        ({"known": ["twon"]}, "Did you mean `town`"),
        ({"inferred": ["job"], "known": ["job"]}, "Something must be known"),
        ({"risks": ["linkability"], "link": list(worlds.NAMES)}, "leave some"),
        ({"risks": ["singling out"], "columns": [0]}, "`columns`"),
        ({"tolerance": 2}, "`tolerance`"),
        ({"tries": 0}, "`tries`"),
        ({"seed": -1}, "`seed`"),
        ({"confidence": 1}, "`confidence`"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, says):
    with pytest.raises(InputError, match=says):
        audit_synthetic(FRESH, MEMBERS, OTHERS, **{**QUICK, **settings})


def test_one_setting_is_taken_for_a_list_of_one_and_any_seed_is_one():
    game = audit_synthetic(
        FRESH, MEMBERS, OTHERS, attacks="density", risks="singling out", columns=[4], tries=50, seed=2**32
    )
    assert [one.attack for one in game.tried] == ["density", "single_out(columns=4)"]


def test_the_order_of_the_records_says_nothing_and_no_reference_record_is_asked_about():
    seen = []

    def by_place(view):
        """The place of a record."""
        seen.append(view)
        return torch.arange(len(view.asked))

    game = audit_synthetic(FRESH, MEMBERS, OTHERS, attacks=[by_place], risks=[])
    assert game.shows is False
    assert abs(game.risks["by_place"]["AUC"].value - 0.5) < 0.08
    asked, held = (set(rows_of(table).tolist()) for table in (seen[0].asked, seen[0].reference))
    assert len(asked) == 600
    assert len(held) == 200
    assert not asked & held


def test_the_rows_of_two_tables_come_in_orders_of_their_own():
    sets = sets_of(FRESH, MEMBERS, OTHERS, REAL, seed=0)
    (play,), left = linking(sets, ["age", "job"], 1, 500, 0)
    game = play.play.func.__self__
    whole = {tuple(row[:2]): tuple(row[2:]) for row in tables(m=MEMBERS, o=OTHERS)["m"].only([*left, "income"]).values}
    placed = [whole.get(tuple(row)) for row in game.view.left.values]
    rows = [k for k, row in enumerate(placed) if row]
    incomes = game.view.right.only(["income"]).values[:, 0]
    assert all(incomes[game.partner[k]] == placed[k][0] for k in rows)
    assert np.mean([incomes[k] == placed[k][0] for k in rows]) < 0.05


def test_tries_that_hit_one_record_widen_the_interval_of_the_game():
    game = audit_synthetic(
        MEMBERS[:40], MEMBERS[:40], OTHERS, attacks=[], risks=["singling out"], tries=200, columns=[3]
    )
    risk = game.risks["single_out(columns=3)"]["risk"]
    assert (risk.value, risk.trials) == (1, 200)
    assert 0.8 < risk.low < 0.93  # of 200 tries that stand by themselves: 0.98


def test_few_records_are_refused_by_name():
    with pytest.raises(InputError, match="at least 40 non_members, of which half"):
        audit_synthetic(FRESH, MEMBERS, OTHERS[:39])
    with pytest.raises(InputError, match="at least 20 synthetic, found 3"):
        audit_synthetic(FRESH[:3], MEMBERS, OTHERS)
    with pytest.raises(InputError, match="at least 20 reference, found 3"):
        audit_synthetic(FRESH, MEMBERS, OTHERS, reference=REAL[:3])


def test_words_that_all_stand_twice_single_nobody_out():
    words = pd.DataFrame({"a": ["x", "y"] * 50, "b": ["u", "u", "v", "v"] * 25})
    game = audit_synthetic(words, words, words, attacks=[], risks=["singling out"], columns=[1])
    assert "found 0" in game.tried[0].note
    assert game.shows is None


def test_few_guesses_allow_no_conclusion():
    game = audit_synthetic(MEMBERS, MEMBERS, OTHERS, **{**QUICK, "tries": 5})
    assert "20 guesses or more" in game.tried[1].note
    assert replace(game, tried=game.tried[1:]).shows is None
