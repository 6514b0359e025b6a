"""The content of the most exposed training records: on the page where it is asked for, and nowhere else."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pypdf
import pytest
import torch
from pages import EVIL, opened
from PIL import Image
from report.fakes import LEAKY, failed, fake

from ml_privacy_meter import InputError, compare
from ml_privacy_meter.records.memory import FrameInMemory
from ml_privacy_meter.report import Report, check_shown
from ml_privacy_meter.report import shown as module
from ml_privacy_meter.report.page import page
from ml_privacy_meter.report.records import packed
from ml_privacy_meter.report.verdicts import strongest

SECRET = "diagnosis-of"


class Watched:
    """Rows that remember which of them were read."""

    def __init__(self, of: Any) -> None:
        self.of, self.read = of, set[int]()

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, index: Any) -> Any:
        self.read |= set(np.arange(len(self))[index].tolist())
        return self.of[index]


def texts(count: int = 400) -> FrameInMemory:
    return FrameInMemory(pd.DataFrame({"note": [f"{SECRET} {row}" for row in range(count)]}))


def table(count: int = 400) -> FrameInMemory:
    rows = np.arange(count)
    return FrameInMemory(pd.DataFrame({"age": rows, "share": rows / 3, "note": [f"{SECRET} {r}" for r in rows]}))


def noise(*shape: int, count: int = 400) -> torch.Tensor:
    return torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def drawn(x: torch.Tensor) -> list[np.ndarray]:
    """The pictures of the first two records shown of ``x``, all of whose records are alike, decoded."""
    found = fake(400).showing(x, 2).shown
    assert found is not None
    assert found.kind == "pictures"
    sources = [one["content"]["source"].removeprefix("data:image/png;base64,") for one in found.records]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(source)))) for source in sources]


def cells(x: Any, **more: Any) -> Any:
    found = fake(400).showing(x, 1, **more).shown
    assert found is not None
    assert found.kind == "table"
    return found


def test_the_training_records_with_the_highest_scores_of_the_verdicts_attack_are_shown() -> None:
    report = fake(400, references=3)
    best = strongest(report._document)
    assert best is not None
    members = report.records[report.records["member"]]
    first = members.nlargest(30, f"score: {best['attack']}")
    found = report.showing(texts(), 30).shown
    assert found is not None
    assert found.attack == best["attack"] == LEAKY
    assert [one["id"] for one in found.records] == first["id"].tolist()
    assert [one["content"] for one in found.records] == [f"{SECRET} {row}" for row in first.index]


def test_only_the_records_that_are_shown_are_read_and_one_beside() -> None:
    rows = Watched(noise(3, 9, 9))
    found = fake(400).showing(rows, 7).shown
    assert found is not None
    assert rows.read == {0} | {int(one["id"].removeprefix("rec-")) for one in found.records}
    assert len(rows.read) == 8


def test_without_the_setting_nothing_is_read() -> None:
    rows = Watched(texts())
    assert fake(400).showing(rows, 0).shown is None
    assert rows.read == set()


def test_records_with_the_score_of_the_last_one_are_counted() -> None:
    report = fake(400)
    report.records[f"score: {LEAKY}"] = report.records[f"score: {LEAKY}"].clip(upper=0)
    many = int((report.records["member"] & (report.records[f"score: {LEAKY}"] == 0)).sum())
    shown = report.showing(texts(), 20)
    assert f"{many - 20} other training records with the same score" in page(shown._document, None, shown.shown)
    assert "other training record" not in page(shown._document, None, fake(400).showing(texts(), 20).shown)


@pytest.mark.parametrize("shape", [(1, 6, 5), (6, 5, 1), (3, 6, 5), (6, 5, 3), (9, 9)])
def test_images_of_bytes_are_shown_as_they_are(shape: tuple[int, ...]) -> None:
    one = noise(*shape, count=1)
    expected = one[0].movedim(0, -1) if shape[0] in (1, 3) else one[0]
    for picture in drawn(one.expand(400, *shape)):
        assert np.array_equal(picture, expected.squeeze().numpy())


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ((0.0, 0.2, 0.4), (0, 51, 102)),  # shares of white
        ((-2.0, 0.0, 2.0), (0, 128, 255)),
        ((0.0, 8.0, 16.0), (0, 128, 255)),
        ((-1e308, 0.0, 1e308), (0, 128, 255)),
        ((5.0, 5.0, 5.0), (0, 0, 0)),
    ],
)
def test_other_images_go_from_their_lowest_to_their_highest_number(values: Any, seen: Any) -> None:
    one = torch.tensor(values, dtype=torch.float64).repeat_interleave(8).reshape(1, 1, 4, 6)
    for picture in drawn(one.expand(400, 1, 4, 6)):
        assert picture.reshape(-1)[::8].tolist() == list(seen)


def test_a_large_image_becomes_a_small_picture_and_a_small_one_is_enlarged_by_whole_pixels() -> None:
    found = fake(400).showing(noise(3, 300, 200, count=1).expand(400, 3, 300, 200), 1).shown
    assert found is not None
    assert (found.records[0]["content"]["height"], found.records[0]["content"]["width"]) == (300, 200)
    assert found.records[0]["content"]["shown"] == (128, 85)
    small = fake(400).showing(noise(1, 8, 5, count=1).expand(400, 1, 8, 5), 1).shown
    assert small is not None
    assert small.records[0]["content"]["shown"] == (128, 80)


@pytest.mark.parametrize("shape", [(9, 128), (2, 8, 8), (3, 40, 2), (1, 3, 100), (2, 3, 8, 8), (7, 7)])
def test_records_of_other_shapes_say_that_they_cannot_be_shown(shape: tuple[int, ...]) -> None:
    report = fake(100).showing(torch.zeros(100, *shape), 20)
    assert report.shown is not None
    assert report.shown.kind == "nothing"
    text = page(report._document, None, report.shown)
    assert f"Records of shape {' × '.join(map(str, shape))} are neither images nor rows of a table" in text
    assert "personal data" not in text.split("<main>")[0]
    assert "This page holds no content of any record" in text


def test_records_without_features_and_audits_without_attacks_say_so() -> None:
    report = fake(100).showing(torch.empty(100, 0), 20)
    assert "These records came without features" in page(report._document, None, report.shown)
    report = fake(100, attacks=(), also=(failed(),)).showing(texts(100), 20)
    assert "No attack ran to its end" in page(report._document, None, report.shown)
    assert SECRET not in page(report._document, None, report.shown)


def test_tables_show_the_values_of_each_column() -> None:
    found = cells(FrameInMemory(pd.concat([table().frame[:1]] * 400)))
    assert found.columns == (("age", True), ("share", True), ("note", False))
    assert found.records[0]["content"] == ["0", "0", f"{SECRET} 0"]


def test_numbers_have_their_names_where_there_are_some_and_else_their_places() -> None:
    rows = torch.tensor([[1 / 3, 1234567.0, -0.25]], dtype=torch.float64).expand(400, 3)
    named = cells(rows, columns=("a", "b", "c"))
    assert named.columns == (("a", True), ("b", True), ("c", True))
    assert named.records[0]["content"] == ["0.333333", "1234567", "-0.25"]
    assert named.says == ""
    assert [name for name, _ in cells(rows).columns] == ["0", "1", "2"]
    assert cells(rows).says == "Features without names are numbered; the first is 0."
    assert cells(torch.zeros(400)).columns == (("0", True),)


def test_wide_tables_and_long_texts_are_cut_and_say_so() -> None:
    found = cells(torch.zeros(400, 3072))
    assert len(found.columns) == len(found.records[0]["content"]) == module.COLUMNS
    assert "the first 60 of 3,072 features" in found.says
    texts = fake(400).showing(FrameInMemory(pd.DataFrame({"note": ["x" * 5000] * 400})), 1).shown
    assert texts is not None
    assert texts.records[0]["content"] == "x" * 1000 + " … (4,000 more characters)"


@pytest.mark.parametrize("most", [-1, 101, True])
def test_how_many_are_shown_is_a_number_up_to_100(most: Any) -> None:
    with pytest.raises(InputError, match="`show_records` must be a number of records from 0 to 100, found"):
        check_shown(most)
    with pytest.raises(InputError, match="`show_records`"):
        fake(100).showing(texts(100), most)


def test_no_more_are_shown_than_there_are() -> None:
    found = fake(40).showing(texts(40), 100).shown
    assert found is not None
    assert len(found.records) == 20


def test_printed_by_accident_it_shows_nothing() -> None:
    assert SECRET not in repr(fake(400).showing(texts(), 20)) + repr(fake(400).showing(texts(), 20).shown)


def test_a_page_of_50_000_records_stays_under_its_limit() -> None:
    report = fake(50_000, references=3, prefix="a-rather-long-name-of-a-record-")
    listed = packed(report.records)
    for some in (noise(3, 150, 150, count=100), torch.rand(100, 3000), table(100).frame):
        shown = report.showing(Repeated(some, 50_000), 100).shown
        assert shown is not None
        assert len(shown.records) == 100
        assert len(page(report._document, listed, shown).encode()) < 5_000_000


class Repeated:
    """Rows, again and again."""

    def __init__(self, of: Any, size: int) -> None:
        self.of, self.size = of, size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: Any) -> Any:
        rows = np.arange(self.size)[index] % len(self.of)
        return self.of.iloc[rows] if isinstance(self.of, pd.DataFrame) else self.of[rows]


def test_texts_of_wide_signs_take_little_room() -> None:
    report = fake(400)
    shown = report.showing(FrameInMemory(pd.DataFrame({"note": ['"<&🦊' * 2000] * 400})), 100).shown
    assert len(page(report._document, None, shown).encode()) - len(page(report._document).encode()) < 600_000


@pytest.mark.parametrize("x", [texts(100), noise(3, 9, 9, count=100)], ids=["texts", "pictures"])
def test_the_content_of_records_is_in_the_page_and_in_no_other_file(tmp_path: Path, x: Any) -> None:
    pdf = isinstance(x, FrameInMemory)  # a PDF's text can be read back
    plain = fake(100).save(tmp_path / "plain", pdf=pdf)
    asked = fake(100).showing(x, 20).save(tmp_path / "asked", pdf=pdf)
    names = {path.name for path in plain.iterdir()}
    assert names == {path.name for path in asked.iterdir()}
    assert {name for name in names if (plain / name).read_bytes() != (asked / name).read_bytes()} == {"index.html"}
    for folder, there in ((plain, False), (asked, True)):
        text = (folder / "index.html").read_text(encoding="utf-8")
        assert (SECRET in text or "data:image/png" in text) == there
        assert ("Do not pass it on" in text) == there
        assert ("This page holds no content of any record" in text) != there
    if pdf:
        assert SECRET not in "".join(one.extract_text() for one in pypdf.PdfReader(asked / "report.pdf").pages)


def test_a_comparison_holds_none_of_it(tmp_path: Path) -> None:
    sides = [fake(400, leak=leak).showing(texts(), 20).save(tmp_path / f"{leak}") for leak in (0.2, 0.9)]
    folder = compare(sides).save(tmp_path / "compared")
    assert not [path for path in folder.iterdir() if SECRET.encode() in path.read_bytes()]


def test_the_warning_stands_at_the_top_and_at_the_section() -> None:
    report = fake(400, shifted=True).showing(texts(), 20)
    text = " ".join(page(report._document, None, report.shown).split())
    assert text.index("This page holds personal data:") < text.index("Read this first") < text.index("<main>") + 10_000
    section = text.split('<h2 id="shown">')[1].split("</section>")[0]
    assert section.index("This page holds personal data of training records. Do not pass it on.") < section.index(
        SECRET
    )
    assert "A check failed on which this order hangs" in section
    whole = fake(400).showing(texts(), 20)
    assert "A check failed on which this order hangs" not in page(whole._document, None, whole.shown)


def evil() -> list[Report]:
    text = pd.DataFrame({EVIL: [f"{EVIL}\nשלום עולם {row}\u202e" for row in range(200)]})
    mixed = text.assign(age=1, kind=pd.Categorical([EVIL] * 200))
    report = fake(200, prefix=EVIL, classes=(EVIL, "b"), attacks=(EVIL,))
    return [report.showing(x, 20) for x in (FrameInMemory(text), FrameInMemory(mixed), noise(3, 9, 9, count=200))]


@pytest.mark.parametrize("report", evil(), ids=["texts", "table", "pictures"])
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_it_is_shown_as_text_in_a_browser_that_asks_nothing(
    browser: Any, tmp_path: Path, report: Report, width: int, scheme: str
) -> None:
    place = report.save(tmp_path / "report")
    tab, seen = opened(browser, place, viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert [line for line in seen if not line.startswith("data:image/png;base64,")] == []
    assert tab.evaluate("window.hit") is None
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    section = tab.locator("section[aria-labelledby=shown]")
    assert report.shown is not None
    if report.shown.kind == "texts":
        assert section.locator("blockquote").first.inner_text() == report.shown.records[0]["content"]
        assert "שלום עולם" in section.inner_text()
        assert "\u202e" not in section.inner_text()
    if report.shown.kind == "table":
        assert section.locator("tbody tr").count() == 20
        assert " ".join(EVIL.split()) in section.inner_text()
    if report.shown.kind == "pictures":
        wide = "Array.from(document.querySelectorAll('.gallery img'), i => i.complete ? i.naturalWidth : 0)"
        assert tab.evaluate(wide) == [9] * 20
        alt = section.locator("img").first.get_attribute("alt")
        assert re.fullmatch(rf"Image of 9 by 9 pixels, training record {re.escape(EVIL)}\d+", alt)
    tab.close()


@pytest.mark.parametrize(
    ("x", "scheme"),
    [(texts(), "dark"), (table(), "light"), (table(), "dark"), (noise(3, 9, 9), "light")],
    ids=["texts", "table, light", "table, dark", "pictures"],
)
def test_axe_finds_nothing_serious_in_what_is_shown(browser: Any, tmp_path: Path, x: Any, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    place = fake(400).showing(x, 20).save(tmp_path / "report")
    tab, _ = opened(browser, place, viewport={"width": 390, "height": 900}, color_scheme=scheme)
    found = axe.Axe().run(tab, "section[aria-labelledby=shown]").response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
    tab.close()
