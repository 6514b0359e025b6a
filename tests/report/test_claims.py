"""What a report shows of a guarantee that is claimed."""

import re
from io import StringIO
from typing import Any

import numpy as np
import pytest
from report.fakes import BLANK, LEAKY, claiming, fake
from rich.console import Console

from ml_privacy_meter import guarantees
from ml_privacy_meter.report import Report, claims, words
from ml_privacy_meter.report.markdown import markdown
from ml_privacy_meter.report.page import page
from ml_privacy_meter.report.printed import printed
from ml_privacy_meter.report.rocs import rocs

TRUE, FALSE = (claiming(fake(), guarantees.gaussian(mu=mu)) for mu in (2, 0.2))


def shown(report: Report, form: str) -> str:
    """What stands in this form of the report, as text."""
    if form == "page":
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page(report._document).split("<script")[0]))
    if form == "terminal":
        console = Console(width=80, record=True, file=StringIO())
        console.print(report.table())
        return console.export_text()
    return markdown(report._document) if form == "markdown" else str(printed(report._document))


@pytest.mark.parametrize("form", ["page", "markdown", "print"])
def test_every_form_says_what_is_claimed_what_it_bounds_and_the_ceilings(form: str) -> None:
    text = shown(TRUE, form).replace("\\", "")
    assert claims.TITLE in text
    assert "Gaussian differential privacy with mu 2, for one record added or removed" in text
    assert "somebody with several records" in text
    assert claims.ROW in text
    for ceiling in ("0.921", "76.4%", "37.2%", "13.8%", "68.3%"):
        assert ceiling in text, ceiling


def test_the_terminal_shows_the_ceilings_below_what_is_reached_without_the_model() -> None:
    lines = shown(TRUE, "terminal").splitlines()
    row = next(line for line in lines if line.startswith("ceiling"))
    assert row.split() == ["ceiling", "0.921", "76.4%", "37.2%", "13.8%"]
    assert lines[lines.index(row) - 1].startswith("without the model")


@pytest.mark.parametrize("form", ["page", "markdown", "print", "terminal"])
def test_a_refuted_claim_is_said_first_and_in_the_verdict(form: str) -> None:
    text = re.sub(r"\s+", " ", shown(FALSE, form))
    question = "Does the measured risk stay under what the guarantee allows?"
    if form != "markdown":  # which begins with the verdict
        assert text.index(question) < text.index("Training records can be told")
    assert "The claimed guarantee does not hold, or the audit is wrong (see “Read this first”)." in text
    assert "surely more than 0." in text.replace("\\", "")
    assert "does not hold" not in shown(TRUE, "terminal")


@pytest.mark.parametrize("form", ["page", "markdown", "print", "terminal"])
def test_a_report_without_a_claim_speaks_of_none(form: str) -> None:
    text = shown(fake(), form)
    assert claims.TITLE not in text
    assert claims.ROW not in text
    assert claims.LINE not in text
    assert not re.search("^ceiling", text, re.MULTILINE)


def test_groups_have_their_ceilings_too_and_what_no_guarantee_bounds_has_none() -> None:
    found = TRUE._document["findings"][0]
    assert words.named(found["groups"][0]["risks"], "AUC")["ceiling"] == pytest.approx(0.9214, abs=1e-4)
    assert words.named(found["risks"], "power")["ceiling"] is None
    assert not words.remark(words.named(found["risks"], "AUC"))
    marked = [one["name"] for one in FALSE._document["findings"][0]["risks"] if words.refutes(one)]
    assert marked[:2] == ["AUC", "TPR@10%FPR"]
    assert not any(words.refutes(one) for one in FALSE._document["findings"][1]["risks"])
    assert [one["attack"] for one in FALSE._document["findings"][:2]] == [LEAKY, BLANK]


def line(spec: dict[str, Any]) -> list[dict[str, float]]:
    """The points of the dotted line."""
    layers = [one for one in spec["layer"] if one["mark"].get("strokeDash") == [1, 3]]
    return spec["datasets"][layers[0]["data"]["name"]] if layers else []


@pytest.mark.parametrize("logarithmic", [True, False])
def test_the_line_of_the_claim_is_drawn_within_the_chart(logarithmic: bool) -> None:
    document = TRUE._document
    found = document["findings"][:2]
    spec = rocs(found, document["about"], logarithmic=logarithmic, places=(0, 1), claim=document["guarantee"])
    points = line(spec)
    allowed = guarantees.gaussian(mu=2).tprs(np.array([one["x"] for one in points[1:]]))
    assert [one["y"] for one in points[1:]] == pytest.approx(allowed, abs=1e-3)  # 7 digits are kept
    assert (points[-1]["x"], points[-1]["y"]) == (1, 1)
    lowest = 1e-4 if logarithmic else 0
    assert min(one["x"] for one in points) == lowest
    assert all(lowest <= one["y"] <= 1 for one in points)
    assert not line(rocs(found, document["about"], logarithmic=logarithmic, places=(0, 1)))


def test_captions_explain_the_line() -> None:
    text = {form: shown(TRUE, form) for form in ("page", "print")}
    assert text["page"].count(claims.LINE) == 6
    assert text["print"].count(claims.LINE) >= 6
