"""How the risk went while a model was trained: drawn, tabled and said, and nothing where nobody watched."""

import json
from dataclasses import replace
from typing import Any

import pytest
from report.fakes import fake, watching

from ml_privacy_meter.report import rounds
from ml_privacy_meter.report.charts import Spec
from ml_privacy_meter.report.markdown import markdown
from ml_privacy_meter.report.page import page
from ml_privacy_meter.report.printed import printed

SEEN = watching(fake(400))


def held(spec: Spec, layer: int | None = None) -> list[dict[str, Any]]:
    """What a chart, or a layer of it, is drawn from."""
    data = (spec if layer is None else spec["layer"][layer])["data"]
    found: list[dict[str, Any]] = data["values"] if "values" in data else spec["datasets"][data["name"]]
    return found


def test_where_nobody_watched_nothing_is_said() -> None:
    found = fake(400)._document
    assert found["by_round"] is None
    assert rounds.said(found) == rounds.pictures(found) == []
    for text in (markdown(found), page(found), json.dumps(printed(found), default=str)):
        assert rounds.TITLE not in text


def test_it_stands_in_the_page_the_summary_and_what_is_printed() -> None:
    found = SEEN._document
    for text in (markdown(found), page(found), json.dumps(printed(found), default=str)):
        assert rounds.TITLE in text
    assert page(found).count('data-chart="by-round') == 2


def test_the_words_say_who_watched_and_how_far_the_risk_went() -> None:
    (said,) = rounds.said(SEEN._document)
    assert said.startswith("Watched by the aggregator, who sees each update of each client. 4 rounds and the model")
    assert "0.500 [0.450, 0.550] at round 0 and 0.800 [0.750, 0.850] in the end" in said
    assert "highest at round 3: 0.825 [0.775, 0.875]" in said
    (said,) = rounds.said(watching(fake(400), updates=False)._document)
    assert "update" not in said.split("client.")[1]


def test_moments_that_are_left_out_are_counted() -> None:
    found = replace(SEEN, by_round=replace(SEEN.by_round, seen=101))._document
    assert (
        "100 rounds and the model itself were seen; 5 of these moments are shown, spread evenly"
        in rounds.said(found)[0]
    )


def test_there_is_a_row_for_each_moment() -> None:
    rows = rounds.rows(SEEN._document)
    assert len(rows) == 5
    assert rows[0] == ["0", "0.500 [0.450, 0.550]", "0.600 [0.550, 0.650]", "60.0%", "50.0%"]
    assert rows[-1] == ["4 (the model)", "0.800 [0.750, 0.850]", "–", "80.0%", "50.0%"]
    assert len(rounds.head(SEEN._document)) == 5
    quantities = watching(fake(400), quality="loss")._document
    assert rounds.head(quantities)[3] == "Mean loss, members"
    assert rounds.rows(quantities)[0][3] == "0.6"


@pytest.mark.parametrize(("updates", "lines"), [(True, 2), (False, 1)])
def test_the_chart_has_a_band_for_each_risk_that_was_seen(updates: bool, lines: int) -> None:
    (_, risk, caption), (_, quality, _) = rounds.pictures(watching(fake(400), updates=updates)._document)
    band = risk["layer"][1]
    assert {one["of"] for one in held(risk, 1)} == {rounds.LOSS, rounds.UPDATES} - (
        {rounds.UPDATES} if lines == 1 else set()
    )
    assert all(one["low"] < one["value"] < one["high"] for one in held(risk, 1))
    assert band["mark"]["type"] == "area"
    assert band["encoding"]["y2"]["field"] == "high"
    assert held(risk, 0) == [{"low": 0.5}]
    assert {one["set"] for one in held(quality)} == {"members", "non-members"}
    assert "Dashed: chance" in caption


def test_a_figure_that_cannot_be_resolved_is_left_out_of_the_chart() -> None:
    moments = [replace(one, loss=replace(one.loss, value=None)) for one in SEEN.by_round.moments[:2]]
    moments += SEEN.by_round.moments[2:]
    found = replace(SEEN, by_round=replace(SEEN.by_round, moments=tuple(moments)))._document
    drawn = held(rounds.pictures(found)[0][1], 1)
    assert [one["number"] for one in drawn if one["of"] == rounds.LOSS] == [2, 3, 4]
    assert rounds.rows(found)[0][1] == "not resolvable"
