import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pypdf
import pytest
from report.fakes import FAILED, LEAKY, failed, fake

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.report import Report, blocks, charts, pdf, printed

EVIL = (
    "<script>x</script> #import \"a\": * $x^2$ *b* _i_ `c` \\ 'q' @ref <label> // c /* d */ #sys.inputs [z] &amp; {{7}}"
)


def pages(report: Report) -> list[str]:
    """The text of each page, without places where a long word may break."""
    reader = pypdf.PdfReader(io.BytesIO(pdf.pdf(report._document)))
    return [" ".join(page.extract_text().replace("\u200b", "").split()) for page in reader.pages]


def small(**more: Any) -> Report:
    return fake(100, **{"attacks": (LEAKY,), "also": ()} | more)


def drawings(report: Report) -> list[str]:
    return [one["svg"] for block in printed.printed(report._document) for one in block.get("pictures", ())]


def test_a_report_is_filed_with_all_that_the_page_holds() -> None:
    text = " ".join(pages(fake(4000, shifted=True, references=4)))
    order = ["Read this first", "voids the audit", "0.731", FAILED, "Verdict", "Training records can be told"]
    order += ["How many training records", "Which adversaries were played", "Not tested", "Attacks side by side"]
    order += ["Thresholds carried over", "ROC, linear axes", "By class", "By region", "Most exposed training"]
    order += ["Membership probabilities", "How it was measured", "What the figures mean", "Checks of the audit itself"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)


def test_each_page_says_which_it_is_and_when_and_by_what_it_was_made() -> None:
    found = pages(fake(4000))
    for number, text in enumerate(found, 1):
        assert f"Privacy audit · 2026-01-05 · ML Privacy Meter 0.1.0 Page {number} of {len(found)}" in text


def test_figures_stand_with_their_intervals() -> None:
    report = fake(4000)
    text = " ".join(pages(report))
    for name in report.risks[LEAKY]:
        assert name in text
    auc = report.risks[LEAKY]["AUC"]
    assert f"{auc.value:.3f} [{auc.low:.3f}, {auc.high:.3f}]" in text


@pytest.mark.parametrize(
    "report",
    [
        fake(20),
        fake(400, classes=None),
        small(times={}),
        small(times={"started": "some day"}),
        small(model=None),
        fake(100, attacks=(), also=(failed(), failed("gap"))),
        fake(100, attacks=(), also=()),
    ],
    ids=["20 records", "regression", "no time", "no date", "no model", "all failed", "no attacks"],
)
def test_a_report_of_any_kind_can_be_printed(report: Report) -> None:
    text = " ".join(pages(report))
    assert "Verdict" in text
    assert "None" not in text


def test_of_many_groups_the_first_are_printed_and_where_the_others_are_is_said() -> None:
    text = " ".join(pages(small(classes=[f"class {number}" for number in range(60)])))
    assert re.search(r"the first 20 of \d+; report.json holds all", text)
    found = fake(4000, classes=[f"class {number}" for number in range(60)])._document["findings"][0]
    table = next(one for one in printed._groups(found, "class") if one["kind"] == "table")
    values = [float(row[3]["main"]) for row in table["rows"]]
    assert len(values) == 20
    assert values == sorted(values, reverse=True)


def test_many_figures_stand_below_each_other() -> None:
    document = fake(400)._document
    found = document["findings"]
    for one in found:
        one["risks"] += [risk | {"name": f"TPR@{number}%FPR"} for number in (2, 3, 4) for risk in one["risks"][:1]]
    table = printed._compared(document)[1]
    assert table["head"] == ["Attack", "Figure", "Value and interval", "Without the model"]
    assert len(table["rows"]) == 7 * len(found)


def test_whatever_a_user_wrote_is_text() -> None:
    more: dict[str, Any] = {"model": f"model {EVIL}", "prefix": f"id {EVIL}", "also": (failed(f"attack {EVIL}"),)}
    text = " ".join(pages(fake(400, classes=(f"class {EVIL}", "b"), group=(f"region {EVIL}", "x"), **more)))
    for what in ("model", "id", "attack", "class", "region"):
        assert f"{what}{EVIL}".replace(" ", "") in text.replace(" ", ""), what


def test_hebrew_arabic_and_greek_are_printed_as_they_are() -> None:
    text = " ".join(pages(small(classes=("שלום", "مرحبا", "ψυχή"))))
    assert "ψυχή" in text
    assert {*"שלום"} <= set(text)


def test_a_letter_that_no_font_has_stands_as_its_number() -> None:
    text = " ".join(pages(small(model="a\U0010ffffc", classes=("汉\uffff", "b"))))  # which are no letters at all
    assert "a[U+10FFFF]c" in text
    assert "[U+FFFF]" in text
    assert "stand as their Unicode numbers" in text
    assert "Unicode" not in " ".join(pages(small()))


def test_a_long_word_is_broken_and_not_cut_off() -> None:
    name = "x" * 300
    report = small(classes=(name, "b"), model=name)
    data = pypdf.PdfReader(io.BytesIO(pdf.pdf(report._document)))
    width = float(data.pages[0].mediabox.width)
    ends: list[float] = []
    for page in data.pages:
        page.extract_text(visitor_text=lambda text, cm, tm, font, size: ends.append(tm[4]))
    assert max(ends) < width
    assert name in re.sub(r"\s", "", " ".join(pages(report)))


def test_the_same_document_gives_the_same_bytes() -> None:
    assert pdf.pdf(small()._document) == pdf.pdf(small()._document)


def test_the_file_is_made_to_be_kept_and_to_be_read_aloud() -> None:
    report = small()
    reader = pypdf.PdfReader(io.BytesIO(pdf.pdf(report._document)))
    assert reader.metadata is not None
    assert (reader.metadata.title or "").startswith("Privacy audit: ")
    assert reader.metadata.creation_date_raw == "D:20260105100000Z"
    kept = reader.xmp_metadata
    assert kept is not None
    text = kept.rdf_root.toxml()
    assert "pdfaid:part" in text
    assert "pdfuaid:part" in text
    assert [round(float(side)) for side in reader.pages[0].mediabox[2:]] == [595, 842]


def test_charts_are_drawn_in_the_colours_of_the_page_by_light() -> None:
    drawn = drawings(fake(400))
    assert len(drawn) == 2 + 2 * (3 + 2) + 1  # of all attacks; of each, and its groups; of the probabilities
    assert not [svg for svg in drawn if "var(" in svg]
    assert blocks.colours()["roc-0"] in drawn[0]
    assert blocks.colours()["curve"] in "".join(drawn)
    used = {
        str(name) for value in vars(charts).values() if isinstance(value, str) for name in re.findall(r"--(\w+)", value)
    }
    assert used <= set(blocks.colours())


def test_a_pdf_is_made_only_if_asked_for(tmp_path: Path) -> None:
    fake(100).save(tmp_path / "report", pdf=True)
    assert (tmp_path / "report" / "report.pdf").read_bytes().startswith(b"%PDF-")
    fake(100).save(tmp_path / "report")
    assert not (tmp_path / "report" / "report.pdf").exists()


def test_without_the_package_nothing_is_written_and_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(InputError, match=re.escape("ml-privacy-meter[pdf]")):
        fake(100).save(tmp_path / "report", pdf=True)
    assert not list(tmp_path.iterdir())


def test_a_report_that_was_saved_is_printed_from_its_json() -> None:
    found = small()._document
    assert pdf.pdf(json.loads(json.dumps(found))) == pdf.pdf(found)
