import base64
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pages
import pandas as pd
import pytest
from pages import EVIL
from report.fakes import BLANK, LEAKY, failed, fake

from ml_privacy_meter.report import Report, words
from ml_privacy_meter.report import records as module
from ml_privacy_meter.report.page import page
from ml_privacy_meter.report.records import Packed, packed

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1")


def unpacked(table: Packed | None) -> dict[str, Any]:
    """What the page's script reads: each column's name, and its values with words in place of their codes."""
    assert table is not None
    content = json.loads(zlib.decompress(base64.b64decode(table.data)))
    return {
        one["name"]: [one["words"][code] for code in one["values"]] if "words" in one else one["values"]
        for one in content["columns"]
    }


def test_the_page_holds_who_a_record_is_and_how_exposed_and_nothing_else() -> None:
    own = ["id", "membership_probability", "member", "class", "region"]
    assert list(unpacked(packed(fake(200).records))) == [*own, "score"]
    by_references = ["score", "memorization", "vulnerability"]
    assert list(unpacked(packed(fake(200, references=3).records))) == [*own, *by_references]
    assert list(unpacked(packed(fake(200, classes=None).records))) == [*own[:3], "region", "score"]


def test_records_are_in_the_order_of_the_most_exposed() -> None:
    report = fake(1000)
    held = unpacked(packed(report.records))
    members = [name for name, kind in zip(held["id"], held["member"], strict=True) if kind == "member"]
    assert members[:20] == [one["id"] for one in report._document["exposed"]]
    assert held["membership_probability"] == sorted(held["membership_probability"], reverse=True)
    assert sorted(held["id"]) == sorted(report.records["id"])


def test_figures_stand_beside_the_record_that_they_belong_to() -> None:
    records = fake(300, references=3).records.set_index("id")
    held = pd.DataFrame(unpacked(packed(records.reset_index()))).set_index("id")
    records = records.loc[held.index]
    for name in ("membership_probability", "score", "memorization", "vulnerability"):
        np.testing.assert_allclose(held[name].astype(float), records[name], rtol=1e-5)
    assert ((held["member"] == "member") == records["member"]).all()
    assert (held["class"] == records["class"]).all()


def test_the_attack_stands_with_each_record_only_where_there_are_several() -> None:
    records = fake(100).records
    records["attack"] = [LEAKY, BLANK] * 50
    table = packed(records)
    assert table is not None
    assert set(table.attacks) == {LEAKY, BLANK}
    assert set(unpacked(table)["attack"]) == {LEAKY, BLANK}


def test_what_is_not_known_is_null_and_comes_last() -> None:
    records = fake(40).records
    records.loc[3, "membership_probability"] = np.nan
    records.loc[4, "score"] = -np.inf
    held = unpacked(packed(records))
    assert held["id"][-1] == "rec-3"
    assert held["membership_probability"][-1] is None
    assert held["score"][held["id"].index("rec-4")] is None
    assert packed(records.assign(membership_probability=np.nan)) is None


def test_beyond_what_fits_the_most_exposed_are_kept() -> None:
    records = fake(1000).records
    table = packed(records, most=100)
    assert table is not None
    assert (table.total, table.shown) == (1000, 100)
    assert unpacked(table)["id"] == unpacked(packed(records))["id"][:100]
    text = page(fake(1000)._document, table)
    assert "Here are the 100 most exposed of 1,000 records;" in text
    assert "Here are the" not in page(fake(1000)._document, packed(records))


def test_ids_that_compress_badly_do_not_swell_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    records = fake(2000).records
    records["id"] = [rng.bytes(100).hex() for _ in range(2000)]
    monkeypatch.setattr(module, "BYTES", 50_000)
    table = packed(records)
    assert table is not None
    assert len(table.data) <= 50_000
    assert 200 < table.shown < 2000
    assert len(unpacked(table)["id"]) == table.shown


def opened(
    browser: Any, folder: Path, report: Report, *, charts: bool = False, **settings: Any
) -> tuple[Any, list[str]]:
    """The page in a browser, and whatever it complained of or asked for since; charts only take time here."""
    if not charts:
        report = replace(report, findings=())
    return pages.opened(browser, report.save(folder / "report"), ready="#records[data-ready]", **settings)


def column(tab: Any, title: str) -> list[str]:
    """The cells that are drawn of one column, from the top."""
    place = [one.strip() for one in tab.locator(".scroller thead th").all_inner_texts()].index(title)
    rows = tab.locator(".scroller tbody tr:not([aria-hidden])")
    return [row[place] for row in rows.evaluate_all("rows => rows.map(row => [...row.cells].map(c => c.textContent))")]


def sort(tab: Any, title: str) -> str:
    """How the column is sorted once its title is clicked."""
    head = tab.locator(".scroller").get_by_role("columnheader", name=title, exact=True)
    head.get_by_role("button").click()
    return str(head.get_attribute("aria-sort"))


def said(tab: Any) -> str:
    return str(tab.locator("#records [role=status]").inner_text())


def downloaded(tab: Any, which: str, **settings: Any) -> pd.DataFrame:
    with tab.expect_download() as waiting:
        tab.locator(f"[data-download={which}]").click()
    return pd.read_csv(waiting.value.path(), **settings)


def test_the_table_opens_sorted_by_risk_in_the_words_of_the_list(browser: Any, tmp_path: Path) -> None:
    report = fake(400, references=3)
    tab, seen = opened(browser, tmp_path, report)
    assert tab.locator(".few").is_hidden()
    assert said(tab) == "400 of 400 records"
    tab.locator("#records").get_by_label("Set").select_option("member")
    exposed = report._document["exposed"]
    assert column(tab, "Record")[:20] == [one["id"] for one in exposed]
    assert column(tab, "Class")[:20] == [one["class"] for one in exposed]
    shown = [words.probability(one["membership_probability"]) for one in exposed]
    assert column(tab, "Membership probability")[:20] == shown
    assert column(tab, "Memorization")[:20] == [words.memorized(one) for one in exposed]
    assert column(tab, "Vulnerability")[:20] == [words.value("vulnerability", one["vulnerability"]) for one in exposed]
    assert seen == []
    tab.close()


def test_any_column_sorts_both_ways_and_unknown_values_stay_last(browser: Any, tmp_path: Path) -> None:
    report = fake(40)
    report.records.loc[3, "membership_probability"] = np.nan
    tab, seen = opened(browser, tmp_path, report)
    first = column(tab, "Record")
    assert first[-1] == "rec-3"
    assert sort(tab, "Record") == "ascending"
    assert column(tab, "Record") == [f"rec-{row}" for row in range(40)]
    assert sort(tab, "Record") == "descending"
    assert column(tab, "Record")[0] == "rec-39"
    assert sort(tab, "Membership probability") == "descending"
    assert column(tab, "Record") == first
    assert sort(tab, "Membership probability") == "ascending"
    assert column(tab, "Record")[-1] == "rec-3"
    assert column(tab, "Membership probability")[-1] == "–"
    assert tab.locator("[aria-sort$=ending]").count() == 1
    assert sort(tab, "Score") == "descending"
    scores = [float(one.replace("−", "-")) for one in column(tab, "Score")]
    assert scores == sorted(scores, reverse=True)
    assert seen == []
    tab.close()


def test_records_are_searched_filtered_and_downloaded(browser: Any, tmp_path: Path) -> None:
    report = fake(4000)
    tab, seen = opened(browser, tmp_path, report)
    records = report.records
    found = records[records["id"].str.contains("c-12") & ~records["member"] & (records["class"] == "cat")]
    assert len(found) == 0
    found = records[records["id"].str.contains("c-32") & ~records["member"] & (records["class"] == "cat")]
    tab.locator("#records").get_by_label("Record id contains").fill("C-32")
    tab.locator("#records").get_by_label("Set").select_option("non-member")
    tab.locator("#records").get_by_label("Class").select_option("cat")
    assert len(found) > 5
    assert said(tab) == f"{len(found)} of 4,000 records"
    assert sorted(column(tab, "Record")) == sorted(found["id"])
    assert tab.locator("#records").get_by_role("grid").get_attribute("aria-rowcount") == str(len(found) + 1)
    part = downloaded(tab, "filtered")
    assert list(part["id"]) == column(tab, "Record")
    assert len(downloaded(tab, "all")) == 4000
    tab.locator("#records").get_by_label("Record id contains").fill("none of them")
    assert said(tab) == "0 of 4,000 records: nothing matches"
    assert tab.locator("[data-download=filtered]").is_disabled()
    tab.locator("#records").get_by_role("button", name="Clear").click()
    tab.locator("#records").get_by_text("4,000 of 4,000 records").wait_for()
    assert seen == []
    tab.close()


def test_a_download_holds_what_records_parquet_holds(browser: Any, tmp_path: Path) -> None:
    report = fake(100, references=3)
    tab, _ = opened(browser, tmp_path, report)
    got = downloaded(tab, "all").set_index("id")
    held = report.records.set_index("id").loc[got.index, got.columns]
    assert list(got.columns)[:3] == ["membership_probability", "member", "class"]
    assert "memorization_se" in got
    pd.testing.assert_frame_equal(got, held, check_dtype=False, rtol=1e-5)
    tab.close()


def test_a_column_of_many_values_is_searched_instead(browser: Any, tmp_path: Path) -> None:
    report = fake(2000, classes=[f"c{number}" for number in range(500)])
    tab, _ = opened(browser, tmp_path, report)
    tab.locator("#records").get_by_label("Class contains").fill("c49")
    assert said(tab) == f"{report.records['class'].str.contains('c49').sum()} of 2,000 records"
    tab.close()


def test_what_users_wrote_is_text_in_the_table_too(browser: Any, tmp_path: Path) -> None:
    report = fake(60, prefix=EVIL, classes=(EVIL, "b"), group=(EVIL, "d"), attacks=(EVIL, "plain"))
    report = replace(report, records=report.records.rename(columns={"region": EVIL}))
    report.records["attack"] = [EVIL, "plain"] * 30
    tab, seen = opened(browser, tmp_path, report, viewport={"width": 390, "height": 900})
    assert seen == []
    assert all(one.startswith(EVIL) for one in column(tab, "Record"))
    assert set(column(tab, "Class")) == {EVIL, "b"}
    assert set(column(tab, EVIL)) == {EVIL, "d"}
    tab.locator("#records").get_by_label("Class").select_option(EVIL)
    assert set(column(tab, "Class")) == {EVIL}
    assert tab.evaluate("window.hit") is None
    assert tab.locator("#records img").count() == 0
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    got = downloaded(tab, "all")
    assert got["id"].str.startswith(EVIL).all()
    tab.close()


def test_a_downloaded_cell_is_no_formula(browser: Any, tmp_path: Path) -> None:
    report = fake(60, group=("=cmd", "south"))
    report.records["id"] = [f"{FORMULAS[row % 6]} {row}" for row in range(60)]
    report = replace(report, records=report.records.rename(columns={"region": "@region"}))
    tab, _ = opened(browser, tmp_path, report)
    got = downloaded(tab, "all")
    assert got["id"].str.startswith("'").all()
    assert set(got["id"].str[1:]) == set(report.records["id"])
    assert set(got["'@region"]) == {"'=cmd", "south"}
    assert (got["score"] < 0).any()  # numbers stay numbers
    tab.close()


def test_fifty_thousand_records_are_scrolled_with_few_of_them_in_the_document(browser: Any, tmp_path: Path) -> None:
    report = fake(50_000)
    tab, seen = opened(browser, tmp_path, report)
    assert (tmp_path / "report" / "index.html").stat().st_size < 5_000_000
    rows = tab.locator(".scroller tbody tr")
    assert tab.locator("#records").get_by_role("grid").get_attribute("aria-rowcount") == "50001"
    assert rows.count() < 120
    for share in (0.3, 0.7, 1.0):
        tab.evaluate("share => { const all = document.querySelector('.scroller'); "
                     "all.scrollTop = share * (all.scrollHeight - all.clientHeight); }", share)  # fmt: skip
        tab.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert rows.count() < 120
        assert tab.evaluate(
            "() => { const all = document.querySelector('.scroller'); all.scrollIntoView({behavior: 'instant'}); "
            "const box = all.getBoundingClientRect(); "
            "return !!document.elementFromPoint(box.x + 60, box.y + box.height / 2).closest('tr[aria-rowindex]'); }"
        )
    last = rows.nth(rows.count() - 2)
    assert last.get_attribute("aria-rowindex") == "50001"
    assert last.locator("th").inner_text() == unpacked(packed(report.records))["id"][-1]
    assert seen == []
    tab.close()


def test_the_table_is_used_by_keyboard_alone(browser: Any, tmp_path: Path) -> None:
    tab, _ = opened(browser, tmp_path, fake(1000))
    grid = tab.locator("#records").get_by_role("grid", name="All records")

    def current() -> str | None:
        return tab.evaluate(
            "() => { const row = document.getElementById(document.activeElement.getAttribute("
            "'aria-activedescendant')); const box = row.closest('.scroller').getBoundingClientRect(); "
            "const at = row.getBoundingClientRect(); "
            "return at.top >= box.top && at.bottom <= box.bottom + 1 ? row.ariaRowIndex : 'out of view'; }"
        )

    grid.focus()
    assert grid.get_attribute("aria-activedescendant") is None
    for key, row in (("ArrowDown", 2), ("ArrowDown", 3), ("ArrowUp", 2), ("End", 1001), ("ArrowUp", 1000), ("Home", 2)):
        tab.keyboard.press(key)
        assert current() == str(row), key
    tab.keyboard.press("PageDown")
    assert 10 < int(current() or 0) < 30
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    assert "Membership probability" in tab.evaluate("document.activeElement.textContent")
    tab.keyboard.press("Enter")
    assert tab.locator("[aria-sort=ascending]").inner_text().startswith("Membership")
    tab.close()


def test_without_scripts_and_on_paper_the_most_exposed_stand_with_where_the_rest_is(
    browser: Any, tmp_path: Path
) -> None:
    place = fake(400).save(tmp_path / "report") / "index.html"
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(place.as_uri())
    tab, _ = opened(browser, tmp_path, fake(400))
    tab.emulate_media(media="print")
    for one in (plain, tab):
        assert one.locator(".few tbody tr").count() == 20
        assert one.locator(".few").is_visible()
        assert "All 400 records, one row each, are in records.parquet" in one.locator(".elsewhere").inner_text()
        assert one.locator(".elsewhere").is_visible()
        assert one.locator(".all").is_hidden()
        one.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(browser: Any, tmp_path: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    tab, _ = opened(browser, tmp_path, fake(400, shifted=True, references=3), charts=True, color_scheme=scheme)
    tab.wait_for_selector("html[data-drawn]", state="attached", timeout=60_000)
    found = axe.Axe().run(tab).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
    tab.close()


@pytest.mark.parametrize("report", [fake(20), fake(100, classes=None), fake(100, classes=("one",))])
def test_small_reports_have_a_table_too(browser: Any, tmp_path: Path, report: Report) -> None:
    tab, seen = opened(browser, tmp_path, report)
    assert len(column(tab, "Record")) == min(len(report.records), tab.locator(".scroller tbody tr[id]").count())
    assert seen == []
    tab.close()


def test_without_membership_probabilities_there_is_no_table() -> None:
    report = fake(100, attacks=(), also=(failed(),))
    assert packed(report.records) is None
    assert "Records by risk" not in page(report._document, packed(report.records))
