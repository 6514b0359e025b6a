"""Which defenses are not worth their price, by hand."""

import pytest

from ml_privacy_meter.defending.entries import AGAIN, DEFENSE, MODEL, NONE
from ml_privacy_meter.defending.verdicts import NOT_WORTH, OPEN, WORTH, YARDSTICK, Rival, Signs, Verdict, verdicts

NOTHING = Rival("none", NONE, False, 0.8)


def signs(**pairs: dict[str, int]) -> Signs:
    """Of ``first_other={line: sign}``, and the other way round."""
    named = {tuple(pair.split("_")): found for pair, found in pairs.items()}
    return named | {(b, a): {line: -sign for line, sign in found.items()} for (a, b), found in named.items()}


def judged(*rivals: Rival, **pairs: dict[str, int]) -> dict[str, Verdict]:
    return verdicts([NOTHING, *rivals], signs(**pairs))


def defense(name: str, accuracy: float = 0.8, *, wraps: bool = False, dearer: bool = False) -> Rival:
    return Rival(name, DEFENSE, wraps, accuracy, dearer)


def test_what_surely_leaks_less_and_is_beaten_by_none_is_worth_something():
    found = judged(defense("a", 0.7, dearer=True), none_a={"AUC": -1, "TPR": 0})["a"]
    assert found == Verdict(WORTH, less=("AUC",))


def test_a_defense_is_beaten_by_one_as_accurate_that_surely_leaks_less():
    found = judged(defense("a"), defense("b"), none_a={"AUC": -1}, none_b={"AUC": -1}, a_b={"AUC": -1})
    assert found["a"] == Verdict(NOT_WORTH, less=("AUC",), beaten_by=("b",))
    assert found["b"].says == WORTH
    assert found["none"].beaten_by == ("a", "b")
    assert found["none"].says == YARDSTICK


@pytest.mark.parametrize(
    ("accuracy", "lines"), [(0.79, {"AUC": -1}), (0.8, {"AUC": 0}), (0.8, {"AUC": -1, "TPR": 1}), (0.9, {})]
)
def test_no_defense_is_beaten_by_one_less_accurate_or_leaking_more_in_some_line(accuracy, lines):
    found = judged(defense("a"), defense("b", accuracy), none_a={"AUC": -1}, a_b=lines)
    assert found["a"] == Verdict(WORTH, less=("AUC",))


def test_what_costs_accuracy_and_surely_gains_nothing_is_not_worth_it():
    assert judged(defense("a", 0.7, dearer=True), none_a={"AUC": 0})["a"] == Verdict(NOT_WORTH, no_gain=True)
    assert judged(defense("a", 0.79), none_a={"AUC": 0})["a"] == Verdict(OPEN)


def test_no_defense_at_all_beats_what_leaks_more_at_no_more_accuracy():
    assert judged(defense("a", 0.8), none_a={"AUC": 1})["a"] == Verdict(NOT_WORTH, more=("AUC",), beaten_by=("none",))
    assert judged(defense("a", 0.9), none_a={"AUC": 1})["a"] == Verdict(OPEN, more=("AUC",))


def test_what_leaks_less_in_one_line_and_more_in_another_is_open():
    assert judged(defense("a"), none_a={"AUC": -1, "TPR": 1})["a"].says == OPEN


def test_what_only_answers_otherwise_beats_nothing_that_protects_the_weights():
    pairs = {"none_a": {"AUC": -1}, "none_b": {"AUC": -1}, "a_b": {"AUC": -1}}
    assert judged(defense("a"), defense("b", wraps=True), **pairs)["a"].says == WORTH
    assert judged(defense("a", wraps=True), defense("b", wraps=True), **pairs)["a"].beaten_by == ("b",)
    assert judged(defense("a", wraps=True), defense("b"), **pairs)["a"].beaten_by == ("b",)
    assert judged(defense("a", wraps=True), none_a={"AUC": -1})["none"].beaten_by == ()


@pytest.mark.parametrize("kind", [MODEL, AGAIN])
def test_neither_luck_nor_the_users_model_beats_anything(kind):
    other = Rival("other", kind, False, 0.9)
    found = judged(other, defense("a"), none_a={"AUC": -1}, a_other={"AUC": -1}, none_other={"AUC": -1})
    assert found["a"].says == WORTH
    assert found["none"].beaten_by == ("a",)
    assert found["other"].says == YARDSTICK
    assert found["other"].less == ("AUC",)


def test_the_users_model_is_told_what_beats_it_and_luck_is_not():
    for kind, beaten_by in ((MODEL, ("a",)), (AGAIN, ())):
        found = judged(Rival("other", kind, False, 0.8), defense("a"), other_a={"AUC": -1})
        assert found["other"].beaten_by == beaten_by
