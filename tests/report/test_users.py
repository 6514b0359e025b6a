"""Whose records a model was trained on: drawn, tabled and said, and nothing where no column says whose they are."""

import io
import json

import jsonschema
import pytest
from report.fakes import fake, with_users
from report.test_schema import SCHEMA
from rich.console import Console

from ml_privacy_meter.report import threats, users
from ml_privacy_meter.report.markdown import markdown
from ml_privacy_meter.report.page import page
from ml_privacy_meter.report.printed import printed


def told(value=0.8, **changed):
    return with_users(fake(400), value, **changed)


def terminal(report):
    console = Console(width=100, file=io.StringIO())
    console.print(report.table())
    return console.file.getvalue()


def test_where_no_column_says_whose_records_they_are_nothing_is_said():
    found = fake(400)._document
    assert found["by_user"] is None
    assert users.said(found) == users.pictures(found) == []
    for text in (markdown(found), page(found), json.dumps(printed(found), default=str), terminal(fake(400))):
        assert users.TITLE not in text


def test_it_stands_in_every_form_of_the_report_and_fits_the_schema():
    found = told()._document
    jsonschema.validate(json.loads(json.dumps(found)), SCHEMA)
    for text in (markdown(found), page(found), json.dumps(printed(found), default=str), terminal(told())):
        assert users.TITLE in text
    assert page(found).count('data-chart="by-user') == 1
    assert "<b>Hamlet" not in page(found)


@pytest.mark.parametrize(("held_out", "words"), [(True, "not trained on themselves"), (False, "were trained on")])
def test_the_words_say_what_was_asked_about(held_out, words):
    asked, reached, *_ = users.said(told(held_out=held_out)._document)
    assert asked.startswith("60 users (by the column author) have records among the members, and 1,200 have none.")
    assert words in asked
    assert asked.endswith("3 users inside had no record that could be asked about.")
    assert reached.startswith("With 10 records of each user, difference reaches an AUC of 0.800 [0.750, 0.850]")


@pytest.mark.parametrize(("value", "words"), [(0.8, "also if it is the highest"), (0.58, "may be luck")])
def test_a_leak_is_only_claimed_where_luck_is_ruled_out(value, words):
    assert words in users.said(told(value)._document)[1]


def test_no_figure_is_said_where_none_could_be_resolved():
    found = told(findings=(), exposed=(), exposed_by=("", 0), blind=())._document
    assert "No figure could be resolved" in users.said(found)[1]
    assert users.rows(found) == users.pictures(found) == []
    assert users.TITLE in page(found)


def test_there_is_a_row_for_each_attack_and_number_and_one_without_the_model():
    found = told()._document
    head, rows = users.head(found), users.rows(found)
    assert all(len(row) == len(head) for row in rows)
    assert rows[0] == ["difference", "1", "50, 50", "0.710 [0.660, 0.760]", "0.710 [0.660, 0.760]"]
    assert rows[3][:3] == ["recall", "failed", "No."]
    assert rows[-1][:2] == ["without the model", "10"]
    assert users.shares(found)[2] == ["difference", "2.00% to 3.00%", "17", "0.700 [0.650, 0.750]"]
    assert users.exposed(found) == [["<b>Hamlet</b>", "30", "5.00%", "1.5", "99.0%"]]


def test_the_question_of_users_is_not_said_to_be_untested():
    assert "whose records" in threats.other_questions(told()._document)
    assert "Only one question" in threats.other_questions(fake(400)._document)
