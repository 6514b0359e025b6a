import copy
import math
from typing import Any

from report.fakes import BLANK, LEAKY, failed, fake

from ml_privacy_meter.report import verdicts, words
from ml_privacy_meter.report.people import people


def of(found: list[dict[str, Any]], figure: str) -> dict[str, Any]:
    return next(one for one in found if one["figure"] == figure)


def test_counts_are_the_rates_of_the_best_attack_times_the_members() -> None:
    document = fake(4000)._document
    found = people(document)
    assert [one["figure"] for one in found] == ["TPR@10%FPR", "TPR@1%FPR", "TPR@0.1%FPR"]
    one = of(found, "TPR@1%FPR")
    risk = words.named(document["findings"][0]["risks"], "TPR@1%FPR")
    assert risk is not None
    assert (one["attack"], one["of"], one["members"], one["chance"], one["wrongly"]) == (LEAKY, 2, 2000, 20.0, 20)
    low, high = math.floor(2000 * risk["low"] + 1e-9), math.ceil(2000 * risk["high"] - 1e-9)
    assert [one[key] for key in ("identified", "low", "high")] == [round(2000 * risk["value"]), low, high]
    assert one["says"] == (
        f"At an error of 1 in 100, {one['identified']} [{one['low']}, {one['high']}] of 2,000 training records are "
        f"identified by “{LEAKY}” (the best of 2 attacks on these records); without the model, 20 would be."
    )


def test_what_was_chosen_on_reference_models_stands_before_what_is_higher_here() -> None:
    document = fake(4000, leak=0.0, references=2, strongest={})._document
    low, high = sorted(document["findings"][:2], key=lambda one: one["risks"][2]["value"])
    assert of(people(document), "TPR@1%FPR")["attack"] == high["attack"]
    low["risks"][2]["chosen"] = True
    one = of(people(document), "TPR@1%FPR")
    assert (one["attack"], one["chosen"], one["leaks"]) == (low["attack"], True, False)
    assert "(chosen on reference models)" in one["says"]
    assert one["says"].endswith("That is not surely more than chance; a stronger attack may find more.")


def test_a_leak_stands_before_an_attack_that_was_chosen_and_found_none() -> None:
    document = fake(4000, references=2, strongest={"TPR@1%FPR": BLANK})._document
    one = of(people(document), "TPR@1%FPR")
    assert (one["attack"], one["chosen"], one["leaks"]) == (LEAKY, False, True)
    assert f"“{LEAKY}” picks out {one['identified']} [" in verdicts.verdict(document)


def test_what_cannot_be_resolved_is_said_to_be_unknown_and_not_to_be_none() -> None:
    one = of(people(fake(400)._document), "TPR@0.1%FPR")
    assert one["identified"] is one["low"] is one["high"] is None
    assert one["says"] == (
        "At an error of 1 in 1,000, this audit cannot say how many training records are identified: needs 1000 "
        "non-members, found 200. It does not mean that none is."
    )


def test_less_than_one_record_is_not_rounded_to_none() -> None:
    assert [words.number(count) for count in (0.0, 0.02, 0.9, 1.0, 5000.0)] == [
        "0", "fewer than 1", "fewer than 1", "1", "5,000"
    ]  # fmt: skip


def test_failed_attacks_pick_nobody_out() -> None:
    assert people(fake(100, attacks=(), also=(failed(),))._document) == []
    document = copy.deepcopy(fake(4000)._document)
    document["findings"][0] |= {"failed": "no memory"}
    assert {one["attack"] for one in people(document)} == {BLANK}


def test_counts_of_a_voided_audit_say_so() -> None:
    one = of(people(fake(400, shifted=True)._document), "TPR@1%FPR")
    assert one["says"].startswith("Taken at face value, though a check has failed on which it hangs: At an error of")
    assert not of(people(fake(400)._document), "TPR@1%FPR")["voided"]
