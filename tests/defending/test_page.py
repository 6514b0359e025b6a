"""The page and the table of defenses side by side."""

import io
from pathlib import Path
from typing import Any

import pytest
from defending.fakes import bare, told, trained, trial, wrapped
from pages import EVIL, Reader, check_evil_is_text, opened
from rich.console import Console

from ml_privacy_meter.defending import words
from ml_privacy_meter.defending.defend import Defended
from ml_privacy_meter.defending.page import page
from ml_privacy_meter.report.document import Document


def read(document: Document) -> Reader:
    reader = Reader()
    reader.feed(page(document))
    reader.text = " ".join(reader.text.split())
    return reader


def tried(folder: Path, **settings: Any) -> Document:
    return told(
        [
            *bare(folder, **settings),
            trial(folder, trained("good"), leak=0.3, accuracy=0.79, **settings),
            trial(folder, trained("dp"), leak=1.5, accuracy=0.4, **settings),
            trial(folder, wrapped("masked"), leak=0.0, accuracy=0.8, **settings),
        ],
        failed={"broken": "it broke."},
    )


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return tried(tmp_path_factory.mktemp("trials"))


def saved(document: Document, folder: Path) -> Path:
    empty = folder / "empty"
    empty.mkdir()
    return Defended(document, tuple(empty for _ in document["rows"])).save(folder / "defenses")


def test_the_page_asks_nothing_of_any_network(document: Document) -> None:
    held = [value for _, attrs in read(document).tags for key, value in attrs.items() if key in ("src", "href")]
    assert held == ["data:,", *(f"{row['report']}/index.html" for row in document["rows"])]
    assert "default-src 'none'" in page(document)


def test_the_page_says_what_came_of_it_by_which_rules_and_what_it_cannot_say(document: Document) -> None:
    reader = read(document)
    for said in (words.RULES, words.LUCK, words.REGRESSION, words.corrected(document), *words.summary(document)):
        assert said in reader.text
    for row in document["rows"]:
        assert words.figure("accuracy", row["accuracy"]["non_members"]) in reader.text
        assert words.mark(row) in reader.text
        for one in row["leaks"]:
            assert words.figure(one["figure"], one) in reader.text
            assert words.less_none(one["figure"], one["difference"]).replace("–", "") in reader.text
    assert words.WRAPPED in reader.text
    assert words.OWN in reader.text
    assert "“good” and “masked” by its answers alone." in reader.text
    assert reader.text.count("as “none”: only answers change") == 2
    assert "proven: epsilon 8 at delta 0.001" in reader.text
    assert "broken could not be tried it broke." in reader.text
    assert all(one["id"] in reader.text for one in document["exposed"])
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("table") == tags.count("caption") == 3
    assert all(attrs.get("scope") for tag, attrs in reader.tags if tag == "th")


def test_what_users_wrote_is_text(tmp_path: Path) -> None:
    document = tried(tmp_path, prefix=EVIL, classes=(EVIL, "b"))
    for row in document["rows"]:
        row["name"] = f"{row['name']} {EVIL}"
    check_evil_is_text(read(document))


def test_a_surely_lucky_training_is_said(document: Document) -> None:
    assert not any("luck of training alone" in line for line in words.summary(document))
    rows = [
        row if row["kind"] != "again" else row | {"verdict": row["verdict"] | {"less": ["AUC"]}}
        for row in document["rows"]
    ]
    assert any("luck of training alone" in line for line in words.summary(document | {"rows": rows}))


def test_the_table_for_a_terminal_holds_the_rows(document: Document) -> None:
    out = io.StringIO()
    Console(width=240, file=out).print(Defended(document, ()).table())
    text = out.getvalue()
    assert "! broken failed: it broke." in text
    for row in document["rows"]:
        assert row["name"] in text
        assert all(word in text for word in words.mark(row).split())  # it may take several lines


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_page_opens_in_a_browser_and_shows_one_chart_at_a_time(
    browser: Any, document: Document, tmp_path: Path, width: int, scheme: str
) -> None:
    place = saved(document, tmp_path)
    tab, seen = opened(browser, place, viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert seen == []
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.locator("[data-chart]:visible").count() == 1
    assert tab.locator("[data-chart] svg").count() == 1
    assert {"1, 2, 3", "4", "5", "6"} <= set(tab.locator("[data-chart] svg text").all_text_contents())
    tab.get_by_label("AUC: who has its weights").check()
    tab.wait_for_selector("[data-chart='weights AUC'] svg")
    assert tab.locator("[data-chart]:visible").get_attribute("data-chart") == "weights AUC"
    assert "6" not in tab.locator("[data-chart]:visible svg text").all_text_contents()
    assert seen == []
    tab.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(browser: Any, document: Document, tmp_path: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    tab, _ = opened(browser, saved(document, tmp_path), color_scheme=scheme)
    found = axe.Axe().run(tab).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
    tab.close()
