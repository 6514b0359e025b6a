import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pages import EVIL, Reader, check_evil_is_text, opened
from report.fakes import LEAKY, failed, fake

from ml_privacy_meter.findings import Check
from ml_privacy_meter.report import Report, words
from ml_privacy_meter.report.page import page


def read(report: Report) -> Reader:
    reader = Reader()
    reader.feed(page(report._document))
    return reader


def test_the_page_asks_nothing_of_any_network() -> None:
    held = [value for _, attrs in read(fake(100)).tags for key, value in attrs.items() if key in ("src", "href")]
    assert all(value and value.startswith(("#", "data:")) for value in held)
    assert "default-src 'none'" in page(fake(100)._document)


def test_what_speaks_against_the_audit_stands_before_the_verdict() -> None:
    text = read(fake(400, shifted=True)).text
    assert text.index("Read this first") < text.index("voids the audit") < text.index("Verdict")
    assert text.index("0.731") < text.index("3 of 2,000") < text.index("quantile needs 100") < text.index("Verdict")
    assert "Read this first" not in read(fake(400, also=())).text


def test_the_page_names_view_score_baseline_and_most_exposed() -> None:
    report = fake(400)
    text = " ".join(read(report).text.split())
    assert "The target model's output for each record" in text
    assert "minus the loss, in nats" in text
    assert "Without the model0.510%1%0.1%" in text
    assert "needs 1000 non-members, found 200" in text
    assert all(one["id"] in text for one in report._document["exposed"])


def test_tables_have_captions_and_charts_have_words() -> None:
    reader = read(fake(400))
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("table") == tags.count("caption") > 0
    assert all(attrs.get("scope") for tag, attrs in reader.tags if tag == "th")
    charts = [attrs for _, attrs in reader.tags if "data-chart" in attrs]
    assert len(charts) == 14
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in charts)


def test_carried_thresholds_stand_with_the_rates_that_they_reach() -> None:
    report = fake(400, references=3)
    text = " ".join(read(report).text.split())
    first = report._document["findings"][0]["carried"][0]
    shown = "".join(
        f"{words.value('TPR', one['value'])} {words.interval(one)}" for one in (first["reached"], first["tpr"])
    )
    assert f"Attack Intended FPR FPR reached TPR {LEAKY} 10% {shown}".replace(" ", "") in text.replace(" ", "")
    assert "not resolvable" in text.split("Thresholds carried over")[1].split("The adversary sees")[0]
    assert "Thresholds carried over" not in read(fake(400)).text


def test_the_page_shows_whether_probabilities_mean_what_they_say() -> None:
    report = fake(400, references=3)
    text = " ".join(read(report).text.split())
    assert words.calibrated(report._document) in text
    assert text.index("Most exposed training records") < text.index("Membership probabilities Of 100 records")
    last = report._document["calibration"]["bins"][-1]
    assert (
        f"{words.value('share', last['share'])}{words.interval(last | {'name': 'share', 'value': last['share']})}"
        in (text.replace("% [", "%["))
    )
    assert "Membership probabilities" not in read(fake(100, attacks=())).text


def test_who_was_chosen_is_marked_on_the_page() -> None:
    assert "★" in read(fake(400, references=3)).text.split("Thresholds carried over")[0]
    assert "★" not in read(fake(400)).text


def test_what_users_wrote_is_text() -> None:
    report = fake(200, prefix=EVIL, classes=(EVIL, "b"), group=(EVIL, "d"), attacks=(EVIL,), model=EVIL)
    check_evil_is_text(read(report))


def test_a_page_of_50_000_records_and_many_groups_is_small() -> None:
    document = fake(50_000)._document
    for finding in document["findings"]:
        finding["groups"] = [{**group, "value": f"{n}"} for n in range(1000) for group in finding["groups"][:1]]
    text = page(document)
    assert len(text.encode()) < 3_000_000
    assert "the first 200 of 1,000; report.json holds all" in text


def test_a_page_without_charts_carries_no_library() -> None:
    assert len(page(fake(100, attacks=(), also=(failed(),))._document)) < 60_000


@pytest.mark.parametrize("report", [fake(20), fake(400, classes=None), fake(100, attacks=(), also=())])
def test_small_and_empty_reports_make_a_page(report: Report) -> None:
    assert "Verdict" in read(report).text


def test_a_regression_has_no_column_for_the_class() -> None:
    assert not re.search(r">Class<", page(fake(400, classes=None)._document))
    assert re.search(r">Class<", page(fake(400)._document))


def test_a_long_name_of_an_attack_does_not_widen_a_narrow_page(browser: Any, tmp_path: Path) -> None:
    report = fake(400)
    name = "Are the scores of threshold(signal=gradient_norm(of=last_of_all_the_layers)) varied?"
    report = replace(report, checks=(*report.checks, Check(name, True, "They are.")))
    tab, _ = opened(browser, report.save(tmp_path / "report"), viewport={"width": 390, "height": 900})
    assert tab.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_page_opens_in_a_browser_without_error_or_request(
    browser: Any, tmp_path: Path, width: int, scheme: str
) -> None:
    place = fake(400, shifted=True, references=3).save(tmp_path / "report")
    tab, seen = opened(browser, place, viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert seen == []
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.locator("[data-chart] svg").count() == 14
    ink = tab.evaluate("getComputedStyle(document.querySelector('[data-chart] svg text')).fill")
    assert ink == ("rgb(27, 31, 38)" if scheme == "light" else "rgb(232, 235, 240)")
    tab.close()


def test_what_users_wrote_runs_in_no_browser(browser: Any, tmp_path: Path) -> None:
    place = fake(200, prefix=EVIL, classes=(EVIL, "b"), attacks=(EVIL,), model=EVIL).save(tmp_path / "report")
    tab, seen = opened(browser, place, viewport={"width": 390, "height": 900})
    assert seen == []
    assert tab.evaluate("window.hit") is None
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    assert any("</script>" in chart for chart in tab.locator("[data-chart] svg").all_text_contents())
    tab.close()
