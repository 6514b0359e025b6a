import json
from dataclasses import replace
from importlib.resources import files

import jsonschema
import pandas as pd
import pytest
from report.fakes import fake, game

from ml_privacy_meter.findings import Check
from ml_privacy_meter.games import failed
from ml_privacy_meter.report import Report, others, threats, verdicts, words
from ml_privacy_meter.report.dpia import dpia
from ml_privacy_meter.report.markdown import markdown
from ml_privacy_meter.report.page import page
from ml_privacy_meter.report.printed import printed
from ml_privacy_meter.report.report import COLUMNS

SCHEMA = json.loads(files("ml_privacy_meter.report").joinpath("schema.json").read_text())


@pytest.fixture(scope="module")
def played() -> Report:
    return fake(400).with_games(game(), game(0.0, "extraction", ""), game(name="strange", secret="", tried=()))


def alone() -> Report:
    """A report of games beside membership alone."""
    return replace(fake(400), findings=(), calibration=None, records=pd.DataFrame(columns=COLUMNS)).with_games(game())


def test_each_game_is_a_section_that_opens_with_what_is_known_without_and_the_excess(played):
    for text in (page(played._document), markdown(played._document)):
        section = text[text.index("The adversary knows") :]
        places = [section.index(word) for word in ("The adversary knows", "Without the model", "What the model adds")]
        assert places == sorted(places)
        assert "Copies of the model" in text
        assert "Strange" in text
        assert "82.0%" in text
    headings = [block["text"] for block in printed(played._document) if block["kind"] == "heading"]
    assert [text for text in headings if text in map(others.title, played._document["games"])] == [
        "Hidden attributes: marital <b>status</b>",
        "Copies of the model",
        "Strange",
    ]


def test_the_document_of_games_is_what_the_schema_says(played):
    jsonschema.validate(played._document, SCHEMA)
    first = played._document["games"][0]
    assert [first["shows"], first["tried"][0]["shows"], first["tried"][1]["shows"]] == [True, True, None]
    assert first["tried"][0]["risks"][1]["high"] is None


def test_the_verdict_says_where_more_is_reached_and_rules_nothing_out(played):
    said = verdicts.verdict(played._document)
    assert "surely more is reached than without it in “Hidden attributes: marital <b>status</b>”." in said
    assert "In “Copies of the model”, no excess was shown, which is no proof" in said
    assert "In “Strange”, nothing can be said." in said


def test_an_excess_that_only_one_of_many_attacks_reaches_by_luck_is_not_shown():
    assert game(0.05).shows
    assert not game(0.035).shows  # its own interval lies above 0, that for all attacks does not
    assert game(0.035).tried[0].excess.low > 0


def test_a_game_whose_check_voids_it_shows_nothing():
    void = game(checks=(Check("Alike?", False, "No.", voids=True),))
    assert game().shows
    assert void.tried[0].shows
    assert void.shows is None
    assert "nothing can be said" in verdicts.verdict(fake(100).with_games(void)._document)


def test_figures_are_written_in_their_units(played):
    rows = others.table(played._document["games"][0])
    assert [row[2] for row in rows] == [
        "77.0% [74.0, 80.0]",
        "82.0% [79.0, 85.0]",
        "4.2e−07",
        "5.0% [2.0, 8.0]",
        "One value is missing.",
    ]
    assert rows[2][3] == "5.25"


def test_an_error_in_the_unit_of_a_column_is_no_share():
    error = {"name": "mean absolute error, members", "value": 14.839, "low": 14.5, "high": 15.2}
    assert words.figure(error) == "14.8 [14.5, 15.2]"
    apart = "distance from clean models, in their standard deviations"
    assert (
        words.figure(error | {"name": apart})
        == words.figure(error | {"name": "the detector's number"})
        == "14.8 [14.5, 15.2]"
    )
    assert words.value("Pearson correlation of two halves", 0.91) == "0.910"
    share = {"name": "error of the share", "value": 0.15, "low": 0.1, "high": 0.2}
    assert words.figure(share) == "15.0% [10.0, 20.0]"


def test_what_users_wrote_is_shown_as_text(played):
    shown = page(played._document)
    assert "<b>status</b>" not in shown.split("<main>")[1].split("<script")[0]
    assert "marital &lt;b&gt;status" in shown


def test_a_failed_check_of_a_game_stands_in_its_section(played):
    assert "relationship" in page(played._document)
    assert "relationship" in markdown(played._document)
    assert "Fine?" not in markdown(played._document)


def test_the_summary_shows_the_excess_that_each_verdict_rests_on(played):
    table = markdown(played._document).split("<summary>Figures</summary>")[1].split("</details>")[0]
    assert "| imputation\\_times\\_model | 82.0% [79.0, 85.0] | 4.2e−07 | **5.0% [2.0, 8.0]** |" in table
    assert "| csmia | failed | failed | failed |" in table


def test_a_summary_of_many_games_still_fits_into_a_comment():
    long = "It says so much of <them> that no end of it is seen. " * 60
    many = [game(secret=f"column {n}", verdict=long, knows=long, without=long) for n in range(30)]
    report = fake(4000, classes=[f"class {n}" for n in range(200)]).with_games(*many)
    report = replace(report, checks=report.checks * 20)
    said = markdown(report._document)
    assert len(said) < 65_536
    assert "column 9" in said
    assert "… and 20 more" in said
    assert "The whole report: " in said


def test_groups_have_a_table_of_their_own(played):
    (caption, head, rows), *_ = others.groups(played._document["games"][0])
    assert caption == "imputation_times_model by sex"
    assert head == ["sex", "Members", "Non-members", "accuracy"]
    assert rows == [["f", "100", "90", "80.0% [77.0, 83.0]"], ["m", "80", "90", "–"]]


def test_games_that_were_played_are_not_said_to_be_untested(played):
    said = threats.other_questions(played._document)
    assert "hidden attributes" not in said.split("Not asked")[1]
    assert "facts about the training set" in said.split("Not asked")[1]


def test_a_report_of_other_games_alone_says_that_membership_was_not_asked(tmp_path):
    report = alone()
    assert verdicts.verdict(report._document).startswith("Whether records can be told to be training records was not")
    folder = report.save(tmp_path / "report")
    assert "Hidden attributes" in (folder / "report.md").read_text()
    assert json.loads((folder / "report.json").read_text())["findings"] == []
    assert "Hidden attributes" in str(report.table().caption)


def test_a_report_says_in_the_terminal_what_each_game_found(played):
    assert "The model adds 5 points" in str(played.table().caption)
    assert "Does a column give the secret away? Yes:" in str(played.table().title)


def test_a_chart_has_a_line_for_each_adversary(played):
    ((_, spec, caption),) = others.pictures(played._document["games"][0])
    assert caption == "Fidelity by queries, with intervals."
    (values,) = spec["datasets"].values()
    assert {value["of"] for value in values} == {"a", "b"}
    assert [value["at"] for value in values] == [100, 400, 100, 400]


def test_the_impact_assessment_says_what_games_found_and_asks_no_more_for_what_was_asked(played, tmp_path):
    folder = played.save(tmp_path / "report")
    said = (folder / "dpia.md").read_text()
    assert "Other secrets than membership" in said
    assert "NISTAML.031" not in said
    assert "NISTAML.034" in said
    assert "membership inference and attribute inference were played; exfiltration" in said
    assert "Hidden attributes: marital" in said.split("## (a)")[0]  # a check failed, and an attack
    assert "“csmia” failed" in said.split("## (a)")[0]


def test_the_impact_assessment_of_games_alone_says_that_membership_was_not_asked():
    said = dpia(alone()._document)
    assert "No attack ran to its end" not in said
    assert "was not asked: of that risk, this draft says nothing" in said.split("## (a)")[0]
    assert "attribute inference was played; membership inference, exfiltration" in said
    assert "can tell that it was among the training records" not in said
    assert "Membership inference itself" in said


def test_a_game_that_failed_tested_nothing():
    broken = fake(400).with_games(failed("extraction", "it broke"))._document
    assert "NISTAML.031" in dpia(broken)
    assert "Copies of the model: “extraction” failed. it broke" in dpia(broken).split("## (a)")[0]
    assert "copied by asking" in threats.other_questions(broken).split("Not asked")[1]


def test_what_was_asked_is_said_whatever_game_it_was():
    one = replace(alone(), games=(game(name="memorization", secret=""),))._document
    said = threats.other_questions(one)
    assert said.startswith("Only one question was asked: which records the model knows by heart. Not asked: whether a ")
