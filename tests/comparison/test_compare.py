import copy
import itertools
import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from comparison.fakes import saved, table
from report.fakes import BLANK, LEAKY, failed, fake, game

from ml_privacy_meter import compare
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.comparison import check_folder, words
from ml_privacy_meter.report.document import dump
from ml_privacy_meter.risk import auc
from ml_privacy_meter.risk.differences import auc_correlation, risk_difference
from ml_privacy_meter.types import Scores

SCHEMA = json.loads(files("ml_privacy_meter.comparison").joinpath("schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reports of the same records: of a model that leaks, of one that leaks less, and of one that leaks nothing."""
    folder = tmp_path_factory.mktemp("reports")
    for name, leak in (("high", 1.5), ("low", 0.5), ("none", 0.0)):
        saved(folder / name, leak=leak)
    return folder


def change(place: Path, **columns: Any) -> Path:
    """The report with other columns in its records."""
    table(place).assign(**columns).to_parquet(place / "records.parquet", index=False)
    return place


def rewrite(place: Path, edit: Any) -> Path:
    """The report with another report.json."""
    found = json.loads((place / "report.json").read_text())
    edit(found)
    (place / "report.json").write_text(json.dumps(found))
    return place


def differences(document: dict[str, Any], place: int = 1) -> list[dict[str, Any]]:
    return [row["differences"][place] for row in document["figures"]]


def row(document: dict[str, Any], attack: str = LEAKY, figure: str = "AUC") -> dict[str, Any]:
    found: dict[str, Any] = next(
        one for one in document["figures"] if (one["attack"], one["figure"]) == (attack, figure)
    )
    return found


def titles(document: dict[str, Any]) -> list[str]:
    return [one["title"] for one in document["warnings"]]


def test_games_beside_membership_are_said_not_to_be_compared(shelf: Path, tmp_path: Path) -> None:
    report = fake(400).with_games(game(name="extraction", secret=""))
    alone = replace(report, findings=(), calibration=None, added=(), gradient_norms=None)
    found = compare([shelf / "high", report.save(tmp_path / "games"), alone.save(tmp_path / "alone")]).document
    said = [one for one in found["warnings"] if one["title"].startswith("Other secrets than membership")]
    assert [one["report"] for one in said] == ["games", "alone"]
    assert "“Copies of the model”" in said[0]["says"]


def test_a_report_differs_from_itself_by_exactly_nothing(shelf: Path) -> None:
    found = compare([shelf / "high", shelf / "high"]).document
    held = [one for one in differences(found) if one["value"] is not None]
    assert len(held) == 6
    assert all(one["value"] == 0 and one["low"] <= 0 <= one["high"] and not one["surely"] for one in held)
    changes = found["changes"][0]
    assert changes["members"] == {"records": 200, "rose": 0, "fell": 0, "mean": 0}
    assert changes["rose_most"] == []
    assert [one["name"] for one in found["reports"]] == ["high", "high (2)"]


def test_differences_are_those_of_the_scores_record_by_record(shelf: Path) -> None:
    found = compare([shelf / "high", shelf / "low"]).document
    assert found["warnings"] == []
    tables = [table(shelf / name) for name in ("high", "low")]
    one, two = (Scores(*(np_tensor(t[c].to_numpy()) for c in (f"score: {LEAKY}", "member"))) for t in tables)
    value = (auc(two).value or 0) - (auc(one).value or 0)
    ends = risk_difference(auc(one), auc(two), correlation=auc_correlation(one, two))
    held = row(found)["differences"][1]
    assert held["value"] == pytest.approx(value)
    assert (held["low"], held["high"]) == pytest.approx(ends)
    assert held["surely"]
    assert held["how"] == "paired"
    assert "leaks less than “high”" in words.summary(found)[0]


def said_of(found: dict[str, Any], attack: str = LEAKY, **signs: int) -> str:
    """The summary, were these differences of an attack sure (−1: a fall, 1: a rise) and no others."""
    edited = copy.deepcopy(found)
    for one in edited["figures"]:
        sign = signs.get(one["figure"].replace("@", "_").replace("%", ""), 0) if one["attack"] == attack else 0
        one["differences"][1] |= {"value": 0.1 * (sign or 1), "low": -0.2, "high": 0.2, "surely": bool(sign)}
    return words.summary(edited)[0]


def test_a_mixed_result_is_said_to_be_mixed(shelf: Path) -> None:
    found = compare([shelf / "high", shelf / "low"]).document
    mixed = said_of(found, AUC=-1, TPR_1FPR=1)
    assert "gives mixed results beside “high” to this attack (it leaks less by AUC, more by TPR@1%FPR)" in mixed
    assert " TPR@1%FPR: " in mixed
    assert " TPR@0.1%FPR: " in mixed
    assert " TPR@10%FPR: " not in mixed
    assert "leaks more than “high” to this attack, by TPR@1%FPR: " in said_of(found, TPR_1FPR=1)
    assert "leaks less than “high” to this attack, by AUC and TPR@10%FPR: " in said_of(found, AUC=-1, TPR_10FPR=-1)
    assert "cannot be told from “high”" in said_of(found)
    every = dict.fromkeys(("AUC", "TPR_10FPR", "TPR_1FPR", "TPR_0.1FPR"), -1)
    assert "leaks less than “high” to this attack: " in said_of(found, **every)


def test_other_attacks_that_reach_more_are_named_beside_one_that_reaches_less(shelf: Path) -> None:
    found = compare([shelf / "high", shelf / "low"]).document
    assert f"surely reach more than in the first: “{BLANK}” (TPR@1%FPR)." in said_of(found, BLANK, TPR_1FPR=1)
    assert "surely reach more" not in said_of(found, BLANK, TPR_1FPR=-1)


def test_a_fall_is_not_said_to_reveal_less(shelf: Path) -> None:
    said = words.overview(compare([shelf / "high", shelf / "low"]).document)
    assert "reveal" not in said
    assert "(these attacks find less, which others may find)" in said


def np_tensor(values: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(values.copy())


def test_a_difference_is_sure_only_if_it_would_be_beside_all_others(shelf: Path) -> None:
    found = compare([shelf / "none", shelf / "low", shelf / "high"]).document
    held = [one for place in (1, 2) for one in differences(found, place) if one["value"] is not None]
    assert all(one["low"] > 0 or one["high"] < 0 for one in held if one["surely"])
    outside = [one for one in held if one["low"] > 0 or one["high"] < 0]
    assert 0 < sum(one["surely"] for one in held) <= len(outside)


def test_records_are_matched_by_name_and_not_by_place(shelf: Path, tmp_path: Path) -> None:
    place = saved(tmp_path / "low", leak=0.5)
    shuffled = table(place).sample(frac=1, random_state=0)
    shuffled.to_parquet(place / "records.parquet", index=False)
    one, other = (compare([shelf / "high", low]).document for low in (shelf / "low", place))
    assert {**one, "paths": {}} == {**other, "paths": {}}


def test_the_records_that_rose_most_are_members_and_these(shelf: Path) -> None:
    found = compare([shelf / "low", shelf / "high"]).document["changes"][0]
    before, after = (table(shelf / name).set_index("id") for name in ("low", "high"))
    moved = after["membership_probability"] - before["membership_probability"]
    members = moved[before["member"]]
    shown = found["rose_most"]
    assert [one["change"] for one in shown] == sorted(members, reverse=True)[:20]
    assert all(moved[one["id"]] == one["change"] for one in shown)
    assert all(before["class"][one["id"]] == one["class"] for one in shown)
    assert (found["members"]["rose"], found["members"]["fell"]) == ((members > 0.1).sum(), (members < -0.1).sum())
    others = moved[~before["member"]]
    assert (found["non_members"]["rose"], found["non_members"]["fell"]) == ((others > 0.1).sum(), (others < -0.1).sum())


def test_non_members_are_counted_and_not_listed(shelf: Path) -> None:
    found = compare([shelf / "high", shelf / "low"]).document["changes"][0]
    members = set(table(shelf / "high").query("member")["id"])
    assert found["non_members"]["rose"] > 0
    assert {one["id"] for one in found["rose_most"]} <= members


def test_what_references_tell_of_records_stands_beside(tmp_path: Path) -> None:
    places = [saved(tmp_path / str(leak), leak=leak, references=4) for leak in (0.0, 1.0)]
    found = compare(places).document
    shown = found["changes"][0]["rose_most"]
    tables = [table(place).set_index("id") for place in places]
    assert shown
    for one in shown:
        for name in ("memorization", "vulnerability"):
            held = [None if np.isnan(t[name][one["id"]]) else t[name][one["id"]] for t in tables]
            assert one[name] == held
    assert found["leading"] == json.loads((places[0] / "report.json").read_text())["about"]["strongest"]["AUC"]


def test_members_who_changed_sides_are_not_compared(shelf: Path, tmp_path: Path) -> None:
    place = saved(tmp_path / "other", leak=0.5)
    held = table(place)
    change(place, id=np.roll(held["id"], 7))
    found = compare([shelf / "high", place]).document
    assert found["reports"][1]["records"] == "not compared"
    assert all(one["value"] is None and one["note"] == "other training sets" for one in differences(found))
    assert all(risk is not None for one in found["figures"] for risk in one["risks"])
    assert "14 records are in the training set of one model alone" in found["warnings"][0]["says"]
    assert found["changes"][0]["why_not"] == "The two reports are not of the same records."
    assert found["leading"] is None


def test_sides_that_changed_are_seen_among_records_that_are_shared_in_part(shelf: Path, tmp_path: Path) -> None:
    place = saved(tmp_path / "other", leak=0.5)
    names = list(np.roll(table(place)["id"], 7))
    change(place, id=[*names[:-1], "new"])
    found = compare([shelf / "high", place]).document
    assert found["reports"][1]["records"] == "not compared"


@pytest.mark.parametrize("case", ["disjoint", "in part", "relabelled"])
def test_other_records_have_differences_of_independent_intervals(shelf: Path, tmp_path: Path, case: str) -> None:
    place = saved(tmp_path / "other", leak=0.5, seed=3, prefix="other-" if case == "disjoint" else "rec-")
    if case == "in part":
        held = table(place)
        change(place, id=[name if row % 2 else f"new {name}" for row, name in enumerate(held["id"])])
    found = compare([shelf / "high", place]).document
    assert found["reports"][1]["records"] == "independent"
    assert titles(found) == ["Other records"]
    held = row(found)
    ends = [risk_difference_of(held["risks"], 0.0)]
    assert (held["differences"][1]["low"], held["differences"][1]["high"]) == pytest.approx(ends[0])
    assert found["changes"][0]["why_not"]


def risk_difference_of(risks: list[dict[str, Any]], correlation: float) -> Any:
    from ml_privacy_meter.findings import Risk

    first, second = (Risk("AUC", one["value"], one["low"], one["high"], 0.5, 1) for one in risks)
    return risk_difference(first, second, correlation=correlation)


def test_other_settings_are_said(shelf: Path, tmp_path: Path) -> None:
    place = saved(tmp_path / "other", leak=0.5, attacks=(LEAKY,), also=(failed(),), version="0.0.9", confidence=0.9)
    rewrite(place, lambda found: found["about"].update(seed=7))
    found = compare([shelf / "high", place], names=["one", "two"]).document
    assert {"Another seed", "Another version of this program", "Another confidence of intervals"} <= set(titles(found))
    assert {"Other attacks", "The attack quantile(on=features) failed"} <= set(titles(found))
    assert next(one["says"] for one in found["warnings"] if one["title"] == "Another seed") == "7; one: 0."
    assert row(found, BLANK)["differences"][1]["note"] == "played in one only"
    assert row(found)["differences"][1]["value"] is not None
    assert found["about"]["confidence"] == 0.95


def test_checks_that_void_a_report_come_first(shelf: Path, tmp_path: Path) -> None:
    found = compare([shelf / "high", saved(tmp_path / "other", shifted=True, version="0")]).document
    assert [one["voids"] for one in found["warnings"]][:2] == [True, False]
    assert "different sources" in found["warnings"][0]["says"]
    assert [one["void"] for one in found["reports"]] == [False, True]
    assert row(found)["differences"][1]["high"] < 0
    assert not any(one["surely"] for one in differences(found))
    assert "a check failed that voids an audit. At face value: “threshold” reaches" in words.summary(found)[0]


def test_attacks_on_other_numbers_of_reference_models_are_not_compared(tmp_path: Path) -> None:
    def looks(found: dict[str, Any]) -> None:
        found["findings"][0]["sees"] = "the output, and reference models."

    places = [rewrite(saved(tmp_path / str(n), references=n), looks) for n in (2, 4)]
    found = compare(places).document
    assert "Another number of reference models" in titles(found)
    assert row(found)["differences"][1]["note"] == "another number of reference models"
    assert row(found, BLANK)["differences"][1]["value"] is not None
    assert "other numbers of reference models" in found["changes"][0]["why_not"]
    assert found["leading"] == BLANK


def test_attacks_of_one_name_that_see_another_thing_are_not_compared(shelf: Path, tmp_path: Path) -> None:
    place = saved(tmp_path / "other")
    rewrite(place, lambda found: found["findings"][0].update(sees="everything"))
    found = compare([shelf / "high", place]).document
    assert row(found)["differences"][1]["note"] == "another attack of the same name"


def test_records_of_one_name_and_another_digest_are_pointed_at(tmp_path: Path) -> None:
    places = [saved(tmp_path / one, keys={"records": one, "model": "m"}) for one in ("a", "b")]
    assert titles(compare(places).document) == ["Is this the same content?", "The same model"]


def test_small_reports_are_compared_as_far_as_they_go(tmp_path: Path) -> None:
    places = [saved(tmp_path / name, records=20, leak=leak) for name, leak in (("a", 0), ("b", 1))]
    found = compare(places).document
    VALIDATOR.validate(json.loads(dump(found)))
    assert row(found)["differences"][1]["note"] == "not resolvable"
    assert found["leading"] is None
    assert "no attack’s AUC could be compared" in words.summary(found)[0]


def test_reports_without_a_finding_are_compared(tmp_path: Path) -> None:
    places = [saved(tmp_path / name, attacks=(), also=(failed(),), classes=None) for name in ("a", "b")]
    found = compare(places).document
    VALIDATOR.validate(json.loads(dump(found)))
    assert found["changes"][0]["why_not"] == "No attack gave membership probabilities in both."


def test_the_document_keeps_to_its_schema_and_the_schema_to_it(shelf: Path) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    found = json.loads(dump(compare([shelf / name for name in ("high", "low", "none")]).document))
    VALIDATOR.validate(found)
    for edit in (
        lambda d: d.update(news=1),
        lambda d: d.pop("leading"),
        lambda d: d.update(version=2),
        lambda d: d["figures"][0]["differences"][1].update(how="somehow"),
        lambda d: d["changes"][0]["rose_most"].append({"x": [1.0]}),
        lambda d: d["reports"].clear(),
    ):
        changed = copy.deepcopy(found)
        edit(changed)
        assert not VALIDATOR.is_valid(changed)


def test_two_runs_are_the_same_but_for_paths(shelf: Path, tmp_path: Path) -> None:
    saved(tmp_path / "high", leak=1.5)
    runs = [compare([one, shelf / "low"], names=["a", "b"]) for one in (shelf / "high", tmp_path / "high")]
    texts = [json.loads((run.save(tmp_path / str(k)) / "comparison.json").read_text()) for k, run in enumerate(runs)]
    assert texts[0] != texts[1]
    assert [text.pop("paths") for text in texts]
    assert texts[0] == texts[1]


def test_folders_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    for name in ("a/report", "b/report", "c"):
        saved(tmp_path / name, records=100)
    found = compare([tmp_path / name for name in ("a/report", "b/report", "c", "c")]).document
    assert [one["name"] for one in found["reports"]] == ["a/report", "b/report", "c", "c (2)"]


def test_an_earlier_comparison_is_replaced_and_nothing_else(shelf: Path, tmp_path: Path) -> None:
    made = compare([shelf / "high", shelf / "low"])
    for _ in range(2):
        made.save(tmp_path / "comparison")
    assert {path.name for path in (tmp_path / "comparison").iterdir()} == {"comparison.json", "index.html"}
    before = table(shelf / "high")
    with pytest.raises(InputError, match="A comparison is not written over other files"):
        made.save(shelf / "high")
    assert table(shelf / "high").equals(before)
    from ml_privacy_meter.report import check_folder as check_report

    with pytest.raises(InputError, match="A report is not written over other files"):
        check_report(tmp_path / "comparison")
    check_folder(tmp_path / "comparison")


@pytest.mark.parametrize("names", [["a"], ["a", "a"], ["a", " "], ["a", "b", "c"]])
def test_names_that_do_not_fit_are_refused(shelf: Path, names: list[str]) -> None:
    with pytest.raises(InputError, match="a name of its own"):
        compare([shelf / "high", shelf / "low"], names=names)


@pytest.mark.parametrize("few", [[], ["high"], "high"])
def test_fewer_than_two_are_refused(shelf: Path, few: Any) -> None:
    with pytest.raises(InputError, match="two reports or more"):
        compare(few)


def text(words: str) -> Any:
    return lambda place: (place / "report.json").write_bytes(words.encode("utf-8", "surrogatepass"))


def edited(edit: Any) -> Any:
    return lambda place: rewrite(place, edit)


def columns(**given: Any) -> Any:
    return lambda place: change(place, **given)


BROKEN = {
    "no report.json": (lambda place: (place / "report.json").unlink(), "no report.json"),
    "no JSON": (text("{"), "cannot be read"),
    "a list": (text("[]"), "no report of this program"),
    "another program's": (text('{"schema": "other"}'), "no report of this program"),
    "another version": (edited(lambda d: d.update(version=2)), "a report of version 2, this program reads version 1"),
    "JSON without end": (text("[" * 100_000), "cannot be read"),
    "no number": (edited(lambda d: d["findings"][0]["risks"][0].update(value=float("nan"))), "NaN is no number"),
    "half a character": (text('{"schema": "ml-privacy-meter/report", "x": "\\ud800"}'), "cannot be read"),
    "a number too long": (text('{"version": 1' + "0" * 5000 + "}"), "cannot be read"),
    "a figure in words": (edited(lambda d: d["findings"][0]["risks"][0].update(value="high")), "is not as reports are"),
    "a missing part": (edited(lambda d: d.pop("checks")), "is not as reports are"),
    "other figures": (edited(lambda d: d["findings"][0]["risks"][0].update(value=0.99)), "they are of two audits"),
    "other counts": (edited(lambda d: d["about"].update(members=201)), "they are of two audits"),
    "other sides": (edited(lambda d: d["about"].update(members=201, non_members=199)), "they are of two audits"),
    "no records": (lambda place: (place / "records.parquet").unlink(), "does not hold a report's records"),
    "no parquet": (lambda place: (place / "records.parquet").write_text("x"), "does not hold a report's records"),
    "a missing column": (
        lambda place: table(place).drop(columns="member").to_parquet(place / "records.parquet"),
        "does not hold a report's records",
    ),
    "scores in words": (columns(**{f"score: {LEAKY}": "high"}), "does not hold a report's records"),
    "scores without end": (columns(**{f"score: {LEAKY}": np.inf}), "must be finite"),
    "a probability of 2": (columns(membership_probability=2.0), "outside of"),
    "lists for names": (columns(id=[[1]] * 400), "does not hold a report's records"),
}


@pytest.mark.parametrize(("breaks", "says"), BROKEN.values(), ids=BROKEN)
def test_a_broken_report_is_refused_with_a_reason(shelf: Path, tmp_path: Path, breaks: Any, says: str) -> None:
    place = saved(tmp_path / "broken")
    breaks(place)
    for order in itertools.permutations([shelf / "low", place]):
        with pytest.raises(InputError, match=says) as error:
            compare(order)
        assert len(str(error.value)) < 600


def test_a_loss_of_any_size_is_compared(tmp_path: Path) -> None:
    def loss(document: dict[str, Any]) -> None:
        document["about"] |= {"non_member_accuracy": None, "non_member_loss": 1e308, "member_loss": 1e308}

    places = [rewrite(saved(tmp_path / name), loss) for name in "ab"]
    assert compare(places).document["reports"][0]["quality"]["members"]["value"] == 1e308


def test_a_folder_that_is_not_there_and_a_file_are_refused(shelf: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        compare([shelf / "low", tmp_path / "nowhere"])
    with pytest.raises(InputError, match="is a file"):
        compare([shelf / "low", shelf / "low" / "report.json"])
