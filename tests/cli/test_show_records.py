"""`--show-records`, `show_records` in a run file and in Python: what the page then holds, and when it is refused."""

import sys
from pathlib import Path
from typing import Any

import pytest
from cli import makers
from cli.desk import AUDIT, Desk

import ml_privacy_meter as pm

RUN_FILE = """
out = "report"
{line}
[model]
path = "{model}"
classes = ["ash", "birch", "cedar"]
[members]
path = "{side}"
[non_members]
path = "{other}"
[attacks]
threshold = {{}}
"""
PICTURE = "data:image/png;base64,"
ASKED = ("--out", "report", "--attack", "threshold", "--show-records", 3)


class NoPillow:
    """Says to whoever imports it that Pillow is not installed."""

    @staticmethod
    def find_spec(name: str, *given: Any) -> None:
        if name == "PIL":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def page(desk: Desk) -> str:
    return (desk.folder / "report" / "index.html").read_text(encoding="utf-8")


def lay_out(desk: Desk, line: str = "", *, images: bool = False) -> None:
    files = ("images.pt2", "train_images", "test_images") if images else ("model.pt2", "train.npz", "test.npz")
    desk.bring(*files)
    named = dict(zip(("model", "side", "other"), files, strict=True))
    desk.write("audit.toml", RUN_FILE.format(line=line, **named))


def test_the_command_shows_so_many_records_and_says_what_that_means(desk: Desk) -> None:
    desk.bring("train.npz", "test.npz", "model.pt2")
    said = desk.run(*AUDIT, "--model", "model.pt2", "--show-records", 7)
    assert said.status == 0
    assert "It shows training records as they are: do not pass it on." in said.out
    text = page(desk)
    rows = text.split('<table class="features">')[1].split("</table>")[0].split("<tbody>")[1]
    assert rows.count("<tr>") == 7
    assert "members:" in rows
    assert "This page holds personal data of training records. Do not pass it on." in text
    report = desk.report()
    assert "show_records = 7" in report["paths"]["run_file"]


def test_without_it_the_page_and_the_command_say_nothing_of_it(desk: Desk) -> None:
    desk.bring("train.npz", "test.npz", "model.pt2")
    said = desk.run(*AUDIT, "--model", "model.pt2")
    assert "do not pass it on" not in said.out
    assert 'id="shown"' not in page(desk)
    assert "show_records" not in desk.report()["paths"]["run_file"]


def test_a_table_of_numbers_is_shown_with_the_names_of_its_columns(desk: Desk) -> None:
    for side in makers.SIDES:
        makers.frame(side)[["f0", "f1", "tree", "plot"]].to_csv(f"{side}.csv", index=False)
    desk.write("small.py", "import torch\n\n\ndef build():\n    return torch.nn.Linear(2, 3)\n")
    sides = ("--members", "train.csv", "--non-members", "test.csv", "--label", "tree", "--id", "plot")
    said = desk.run(*("audit", "--model", "small:build", *sides, "--classes", "sorted", *ASKED))
    assert said.status == 0, said.err
    text = page(desk)
    assert '<td data-name="f1" class="number">' in text
    assert "Features without names" not in text
    frame = makers.frame("train").set_index("plot")
    rows = text.split('<table class="features">')[1].split("<tbody>")[1].split("</table>")[0].split("<tr>")[1:]
    for row in rows:
        name = row.split("<bdi>")[1].split("</bdi>")[0]
        assert f"<bdi>{frame.loc[name, 'f1']:.6g}</bdi>" in row


@pytest.mark.parametrize(
    ("line", "option", "many"), [("show_records = 5", (), 5), ("", ("--show-records", 4), 4), ("", (), 0)]
)
def test_a_run_file_asks_for_it_or_its_command_does(desk: Desk, line: str, option: Any, many: int) -> None:
    lay_out(desk, line, images=True)
    desk.reports("run", "audit.toml", *option)
    assert page(desk).count(PICTURE) == many


def test_what_cannot_be_done_is_refused_before_the_audit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    lay_out(desk, "show_records = true")
    desk.refuses("run", "audit.toml", says=("`show_records` must be a whole number",))
    monkeypatch.setattr("ml_privacy_meter.cli.runfile.open_all", lambda *given: pytest.fail("the audit began"))
    lay_out(desk, "show_records = 101")
    desk.refuses("run", "audit.toml", says=("from 0 to 100, found 101",))
    desk.refuses(*AUDIT, "--model", "model.pt2", "--show-records", -1, "--dry-run", says=("from 0 to 100, found -1",))


def test_a_missing_package_for_pictures_is_named_before_the_attacks(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.bring("train.npz", "test.npz", "model.pt2")
    for name in [name for name in sys.modules if name.split(".")[0] == "PIL"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NoPillow, *sys.meta_path])
    monkeypatch.setattr(sys.modules["ml_privacy_meter.audit"], "blind", lambda *given: pytest.fail("the attacks began"))
    members, others = ((makers.X[rows].reshape(-1, 3, 6, 6), makers.Y[rows]) for rows in makers.SIDES.values())
    with pytest.raises(pm.InputError, match=r"ml-privacy-meter\[images\]"):
        pm.audit(lambda x: makers.answers(x.flatten(1)), members, others, show_records=1)


def test_saved_predictions_without_features_have_nothing_to_show(desk: Desk) -> None:
    desk.bring("train_answers.npz", "test_answers.npz")
    files = ("--members", "train_answers.npz", "--non-members", "test_answers.npz", "--out", "report")
    said = desk.run("audit", *files, "--attack", "threshold", "--show-records", 3)
    assert said.status == 0, said.err
    assert "do not pass it on" not in said.out
    assert "These records came without features" in page(desk)


def test_features_beside_saved_predictions_are_shown_and_not_the_predictions(desk: Desk, tmp_path: Path) -> None:
    desk.bring("train_answered.npz", "test_answered.npz")
    report = pm.audit(
        None, "train_answered.npz", "test_answered.npz", attacks=[pm.membership.threshold], show_records=2
    )
    assert report.shown is not None
    assert len(report.shown.columns) == 60
    row = int(report.shown.records[0]["id"].removeprefix("members:"))
    expected = makers.X[makers.SIDES["train"]][row][:60]
    assert [float(value) for value in report.shown.records[0]["content"]] == pytest.approx(expected.tolist(), rel=1e-4)
