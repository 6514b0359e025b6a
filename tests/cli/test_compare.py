"""What `privacy-meter compare` prints, writes and refuses."""

import json
from pathlib import Path

import pytest
from cli.desk import Desk
from comparison.fakes import saved

from ml_privacy_meter.comparison import words

COMPARE = ("compare", "before", "after", "--out", "comparison")


@pytest.fixture
def ready(desk: Desk) -> Desk:
    """Two reports of the same records."""
    for name, leak in (("before", 1.5), ("after", 0.3)):
        saved(desk.folder / name, leak=leak)
    return desk


def test_the_table_shows_figures_differences_and_where_the_page_is(ready: Desk) -> None:
    said = ready.run(*COMPARE)
    assert (said.status, said.err) == (0, "")
    found = json.loads((ready.folder / "comparison" / "comparison.json").read_text(encoding="utf-8"))
    shown = " ".join(said.out.split())
    assert words.summary(found)[0] in shown
    assert words.overview(found) in shown
    for held in ("before", "after", "less that of before", "accuracy on", "Comparison: comparison/index.html"):
        assert held in shown
    assert "\x1b" not in said.out
    assert (ready.folder / "comparison" / "index.html").is_file()


def test_warnings_stand_above_the_table(ready: Desk) -> None:
    saved(ready.folder / "shifted", shifted=True)
    said = ready.run("compare", "before", "shifted", "--out", "comparison")
    assert said.status == 0
    assert said.out.lstrip().startswith("! shifted: Do members and non-members look alike")


def test_json_prints_the_document_and_nothing_else(ready: Desk) -> None:
    said = ready.run(*COMPARE, "--json", "--name", "with", "--name", "without")
    assert (said.status, said.err) == (0, "")
    assert said.out == (ready.folder / "comparison" / "comparison.json").read_text(encoding="utf-8")
    assert [one["name"] for one in json.loads(said.out)["reports"]] == ["with", "without"]


def test_quiet_prints_nothing_and_the_reports_are_left_as_they_were(ready: Desk) -> None:
    before = ready._files(but="comparison")
    said = ready.run(*COMPARE, "--quiet")
    assert (said.status, said.out, said.err) == (0, "", "")
    assert ready._files(but="comparison") == before


def test_what_cannot_be_compared_is_refused_in_a_sentence(ready: Desk) -> None:
    out = ("--out", "comparison")
    ready.refuses("compare", "before", *out, says=("two reports or more",))
    ready.refuses("compare", "before", "nowhere", *out, says=("`nowhere` does not exist",))
    ready.refuses("compare", "before", "after", "--name", "one", *out, says=("a name of its own",))
    (ready.folder / "empty").mkdir()
    ready.refuses("compare", "before", "empty", *out, says=("holds no report.json",))
    broken = saved(ready.folder / "broken")
    text = json.loads((broken / "report.json").read_text(encoding="utf-8"))
    (broken / "report.json").write_text(json.dumps(text | {"version": 99}), encoding="utf-8")
    ready.refuses("compare", "before", "broken", *out, says=("version 99",))
    (broken / "report.json").write_text(json.dumps(text | {"checks": [{"a\nb": "c\nd" * 1000}]}), encoding="utf-8")
    ready.refuses("compare", "before", "broken", *out, says=("is not as reports are",))
    Path(broken / "records.parquet").write_bytes(b"PAR1 broken\nPAR1")
    (broken / "report.json").write_text(json.dumps(text), encoding="utf-8")
    ready.refuses("compare", "before", "broken", *out, says=("does not hold a report's records",))


def test_no_other_files_are_written_over(ready: Desk) -> None:
    ready.write("comparison/thesis.txt", "mine")
    ready.refuses(*COMPARE, says=("not written over other files", "thesis.txt"))
    ready.refuses("compare", "before", "after", "--out", "before", says=("not written over other files",))
