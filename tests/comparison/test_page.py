from pathlib import Path
from typing import Any

import pytest
from comparison.fakes import saved
from pages import EVIL, Reader, check_evil_is_text, opened
from report.fakes import LEAKY

from ml_privacy_meter import compare
from ml_privacy_meter.comparison import words
from ml_privacy_meter.comparison.page import page


def leaks(folder: Path, *amounts: float, **settings: Any) -> list[Path]:
    return [saved(folder / f"leak {amount}", leak=amount, **settings) for amount in amounts]


def read(document: dict[str, Any]) -> Reader:
    reader = Reader()
    reader.feed(page(document))
    reader.text = " ".join(reader.text.split())
    return reader


def test_the_page_asks_nothing_of_any_network_and_is_small(tmp_path: Path) -> None:
    found = compare(leaks(tmp_path, 1.0, 0.2)).document
    held = [value for _, attrs in read(found).tags for key, value in attrs.items() if key in ("src", "href")]
    assert held == ["data:,"]
    assert "default-src 'none'" in page(found)
    assert len(page(found)) < 2_000_000


def test_the_page_says_what_differs_and_what_no_list_can_say(tmp_path: Path) -> None:
    found = compare(leaks(tmp_path, 0.2, 1.0)).document
    text = read(found).text
    assert words.summary(found)[0] in text
    assert words.MEAN in text
    assert words.CONTROL in text
    assert words.TRAINING in text
    for row in found["figures"]:
        for risk, difference in zip(row["risks"], row["differences"], strict=True):
            assert words.figure(risk) in text
            assert words.difference(row["figure"], difference).replace("–", "first") in text
    assert all(one["id"] in text for one in found["changes"][0]["rose_most"])
    assert "Calibration error" in text
    assert "Read this first" not in text


def test_warnings_stand_before_what_differs(tmp_path: Path) -> None:
    places = [saved(tmp_path / "a"), saved(tmp_path / "b", shifted=True, seed=1, prefix="other-")]
    text = read(compare(places).document).text
    assert text.index("Read this first") < text.index("voids the audit") < text.index("Other records")
    assert text.index("Other records") < text.index("What differs")
    assert "Not compared. The two reports are not of the same records." in text


def test_tables_have_captions_and_charts_have_words(tmp_path: Path) -> None:
    reader = read(compare(leaks(tmp_path, 0.2, 1.0, references=3)).document)
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("table") == tags.count("caption") > 0
    assert all(attrs.get("scope") for tag, attrs in reader.tags if tag == "th")
    charts = [attrs for _, attrs in reader.tags if "data-chart" in attrs]
    assert len(charts) == 4
    assert all("leak 0.2: " in (attrs["aria-label"] or "") for attrs in charts)
    assert "Memorization" in reader.text


def test_reports_of_a_regression_stand_against_their_loss(tmp_path: Path) -> None:
    more: dict[str, Any] = {"classes": None, "member_accuracy": None, "non_member_accuracy": None}
    places = leaks(tmp_path, 0.2, 1.0, **more, member_loss=0.25, non_member_loss=0.75)
    text = read(compare(places).document).text
    assert "Privacy against loss" in text
    assert "0.75" in text
    assert "Class" not in text


@pytest.mark.parametrize("more", [{"records": 20}, {"attacks": ()}])
def test_reports_that_say_little_make_a_page_without_charts(tmp_path: Path, more: dict[str, Any]) -> None:
    found = compare([saved(tmp_path / name, **more) for name in "ab"]).document
    assert "What differs" in read(found).text
    assert len(page(found)) < 60_000


def test_what_users_wrote_is_text(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"prefix": EVIL, "classes": (EVIL, "b"), "attacks": (EVIL,), "model": EVIL}
    found = compare(leaks(tmp_path, 0.0, 1.0, **settings), names=[EVIL, "b"]).document
    check_evil_is_text(read(found))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_page_opens_in_a_browser_without_error_or_request(
    browser: Any, tmp_path: Path, width: int, scheme: str
) -> None:
    places = [*leaks(tmp_path, 0.2, 0.6, 1.0), saved(tmp_path / "shifted", shifted=True)]
    place = compare(places).save(tmp_path / "comparison")
    tab, seen = opened(browser, place, viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert seen == []
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    assert tab.locator("[data-chart] svg").count() == 4
    labels = tab.locator("[data-chart] svg").first.text_content()
    assert all(place.name in labels for place in places)
    ink = tab.evaluate("getComputedStyle(document.querySelector('[data-chart] svg text')).fill")
    assert ink == ("rgb(27, 31, 38)" if scheme == "light" else "rgb(232, 235, 240)")
    tab.close()


def test_what_users_wrote_runs_in_no_browser(browser: Any, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"prefix": EVIL, "classes": (EVIL, "b"), "attacks": (EVIL, LEAKY), "model": EVIL}
    place = compare(leaks(tmp_path, 0.0, 1.0, **settings), names=[EVIL, "b"]).save(tmp_path / "comparison")
    tab, seen = opened(browser, place, viewport={"width": 390, "height": 900})
    assert seen == []
    assert tab.evaluate("window.hit") is None
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    tab.close()
