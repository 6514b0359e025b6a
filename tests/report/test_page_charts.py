"""The page's charts of many attacks, its counts and adversaries, in a browser."""

from pathlib import Path
from typing import Any

import pytest
from pages import EVIL, opened
from report.fakes import fake
from report.test_page import read

from ml_privacy_meter.report.page import page

MANY = ("threshold", "gap", "lira", EVIL)


@pytest.fixture(scope="module")
def tab(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    place = fake(2000, attacks=MANY).save(tmp_path_factory.mktemp("many") / "report")
    tab, seen = opened(browser, place, viewport={"width": 1440, "height": 900})
    assert seen == []
    return tab


def test_the_sections_stand_in_the_order_in_which_they_are_needed() -> None:
    text = read(fake(400, attacks=MANY)).text
    heads = ("Verdict", "How many training records are identified", "Which adversaries were played", "Not tested",
             "Attacks side by side", "ROC of all attacks", "How it was measured", "To repeat it")  # fmt: skip
    places = [text.index(head) for head in heads]
    assert places == sorted(places)


def test_counts_and_levels_carry_their_uncertainty() -> None:
    text = " ".join(read(fake(4000)).text.split())
    part = text.split("How many training records are identified")[1].split("Which adversaries")[0]
    assert "Of the 2,000 training records in this audit" in part
    assert "Without the model" in part
    assert "best of 2 on these records" in part
    assert "A check failed" not in part
    assert "A check failed on which these counts hang" in read(fake(400, shifted=True)).text
    assert "The whole model: its weights, inner layers or gradients" in text


def test_one_attack_needs_no_chart_of_all() -> None:
    assert "ROC of all attacks" not in page(fake(400, attacks=("threshold",))._document)


def test_a_run_file_is_shown_as_text_and_an_audit_from_python_says_that_there_is_none() -> None:
    report = fake(100, paths={"run_file": f"[model]\npath = '{EVIL}'\n"})
    assert f"path = '{EVIL}'" in read(report).text
    assert "called from Python" not in read(report).text
    assert "called from Python, so there is no run file" in read(fake(100)).text


def test_only_the_charts_of_the_strongest_are_unfolded_and_others_are_drawn_when_they_are(tab: Any) -> None:
    sections = tab.locator("details.charts")
    assert [sections.nth(n).get_attribute("open") is not None for n in range(4)] == [True, False, False, False]
    assert sections.nth(1).locator("svg").count() == 0
    sections.nth(1).locator("summary").first.click()
    sections.nth(1).locator("[data-chart] svg").nth(2).wait_for()
    assert sections.nth(1).locator("[data-chart] svg").first.bounding_box()["width"] > 400


def test_the_pointer_finds_a_threshold_with_both_intervals(tab: Any) -> None:
    chart = tab.locator("[data-chart=all-linear]")
    chart.locator(".mark-symbol path").nth(20).hover(force=True)
    tip = tab.locator("#vg-tooltip-element.visible")
    tip.wait_for()
    text = tip.inner_text()
    assert "undefined" not in text
    assert all(word in text for word in ("threshold", "FPR", "TPR", "% ["))


def test_a_name_in_the_legend_brings_its_curve_out_and_lets_it_go(tab: Any) -> None:
    name = tab.locator("[data-pick='1']")
    curves = "[...document.querySelectorAll('[data-chart=all-log] .mark-line path')]"
    dim = f"{curves}.map((one) => getComputedStyle(one).opacity)"
    name.focus()
    tab.keyboard.press("Enter")
    tab.wait_for_function(f"{dim}.filter((one) => one < 0.5).length === 3")
    assert name.get_attribute("aria-pressed") == "true"
    name.click()
    tab.wait_for_function(f"{dim}.every((one) => one > 0.5)")
    assert name.get_attribute("aria-pressed") == "false"


def test_nothing_that_users_wrote_runs_under_the_pointer_either(tab: Any) -> None:
    tab.locator("[data-chart=all-log] .mark-symbol path").last.hover(force=True)
    tab.wait_for_function("document.querySelector('#vg-tooltip-element').innerText.includes('window.hit')")
    assert tab.evaluate("window.hit") is None


@pytest.mark.parametrize("width", [390, 1024])
def test_many_attacks_fit_the_width(browser: Any, tmp_path: Path, width: int) -> None:
    tab, seen = opened(
        browser, fake(400, attacks=MANY).save(tmp_path / "report"), viewport={"width": width, "height": 900}
    )
    assert seen == []
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    tab.close()
