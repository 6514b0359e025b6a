import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from report.fakes import fake

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.report import check_folder, folder

OURS = {"report.json", "report.md", "dpia.md", "index.html", "records.parquet"}


def content(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_a_report_is_saved_into_a_new_folder_and_nothing_beside_it(tmp_path: Path) -> None:
    report = fake(100)
    assert report.save(tmp_path / "deep" / "report") == tmp_path / "deep" / "report"
    assert set(content(tmp_path)) == {f"deep/report/{name}" for name in OURS}
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "deep/report/records.parquet"), report.records)


def test_the_same_report_saved_twice_is_the_same(tmp_path: Path) -> None:
    one, other = (fake(300).save(tmp_path / name) for name in ("one", "other"))
    assert content(one) == content(other)


def test_runs_at_other_times_and_places_differ_in_times_and_paths_alone(tmp_path: Path) -> None:
    one = fake(300).save(tmp_path / "one")
    other = fake(300, times={"started": "later", "seconds": 1.0}, paths={"model": "elsewhere"}).save(tmp_path / "two")
    texts = [json.loads((place / "report.json").read_text()) for place in (one, other)]
    assert texts[0] != texts[1]
    for text in texts:
        assert text.pop("times")
        assert text.pop("paths")
    assert texts[0] == texts[1]


def test_an_empty_folder_is_filled_and_an_earlier_report_replaced(tmp_path: Path) -> None:
    fake(100).save(tmp_path / "report")
    (tmp_path / "empty").mkdir()
    for name in ("report", "empty"):
        fake(200).save(tmp_path / name)
        assert json.loads((tmp_path / name / "report.json").read_text())["about"]["members"] == 100
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "report"]


def test_an_earlier_report_is_replaced_where_names_cannot_be_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "_exchange", lambda one, other: False)
    fake(100).save(tmp_path / "report")
    fake(200).save(tmp_path / "report")
    assert json.loads((tmp_path / "report" / "report.json").read_text())["about"]["members"] == 100
    assert [path.name for path in tmp_path.iterdir()] == ["report"]


def test_what_fails_before_the_swap_leaves_the_old_report_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(100).save(tmp_path / "report")
    before = content(tmp_path)

    def broken(new: Path, old: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(folder, "_swap", broken)
    with pytest.raises(KeyboardInterrupt):
        fake(200).save(tmp_path / "report")
    assert content(tmp_path) == before


@pytest.mark.parametrize(
    "strange",
    [
        {"thesis.docx": "x"},
        {"report.json": '{"schema": "another"}'},
        {"report.json": "no json"},
        {"report.json": "[]"},
        {"index.html": "my site"},
        {"report.json": '{"schema": "ml-privacy-meter/report"}', "mine.txt": "x"},
        {"sub/deep.txt": "x"},
    ],
)
def test_a_folder_of_somebody_elses_is_refused_and_untouched(tmp_path: Path, strange: dict[str, str]) -> None:
    place = tmp_path / "report"
    for name, text in strange.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    before = content(tmp_path)
    with pytest.raises(InputError, match="Name a new folder"):
        check_folder(place)
    with pytest.raises(InputError, match="Name a new folder"):
        fake(100).save(place)
    assert content(tmp_path) == before


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        check_folder(tmp_path / "report")
    with pytest.raises(InputError, match="not a folder that you may write to"):
        check_folder(tmp_path / "report" / "inside")


def test_the_folder_that_one_is_in_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="the folder that you are in"):
        check_folder(".")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_may_not_be_written_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="not a folder that you may write to"):
        check_folder(tmp_path / "report")
    tmp_path.chmod(0o700)


def test_checking_a_folder_makes_nothing(tmp_path: Path) -> None:
    check_folder(tmp_path / "a" / "b")
    assert not list(tmp_path.iterdir())


WRITER = """
import sys
from ml_privacy_meter.report.folder import write
from ml_privacy_meter.report.document import SCHEMA
print("ready", flush=True)
for turn in range(10**9):
    text = f'{{"schema": "{SCHEMA}", "turn": {turn}}}'.encode()
    write(sys.argv[1], {"report.json": text, "report.md": text, "index.html": text})
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux exchanges two names in one step")
@pytest.mark.parametrize("after", [0.05, 0.11, 0.17])
def test_a_kill_leaves_one_whole_report(tmp_path: Path, after: float) -> None:
    place = tmp_path / "report"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(place)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    with writer, writer.stdout as said:
        assert said.readline() == "ready\n"
        while not place.exists():
            time.sleep(0.01)
        time.sleep(after)
        writer.kill()
    texts = content(place)
    assert set(texts) == {"report.json", "report.md", "index.html"}
    assert len(set(texts.values())) == 1
    check_folder(place)
