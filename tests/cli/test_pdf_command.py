import sys
from typing import Any

import pytest
from cli.desk import AUDIT, RUN_FILE, Desk


def test_the_command_adds_a_pdf(desk: Desk) -> None:
    desk.bring("train.npz", "test.npz", "model.pt2")
    desk.reports(*AUDIT, "--model", "model.pt2", "--pdf", "--seed", 1)
    assert (desk.folder / "report" / "report.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("line", "option", "made"), [("pdf = true", (), True), ("", ("--pdf",), True), ("", (), False)]
)
def test_a_run_file_asks_for_a_pdf_or_its_command_does(desk: Desk, line: str, option: Any, made: bool) -> None:
    desk.bring("train.npz", "test.npz", "model.pt2")
    desk.write("audit.toml", f"{line}\n{RUN_FILE}")
    desk.reports("run", "audit.toml", *option)
    assert (desk.folder / "report" / "report.pdf").exists() == made


def test_the_command_says_before_the_audit_that_no_pdf_can_be_made(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    monkeypatch.setattr("ml_privacy_meter.cli.runfile.open_all", lambda *given: pytest.fail("the audit began"))
    desk.bring("train.npz", "test.npz", "model.pt2")
    desk.refuses(*AUDIT, "--model", "model.pt2", "--pdf", says=("ml-privacy-meter[pdf]",))
    desk.refuses(*AUDIT, "--model", "model.pt2", "--pdf", "--dry-run", says=("ml-privacy-meter[pdf]",))


def test_a_run_file_says_true_or_false_of_a_pdf(desk: Desk) -> None:
    desk.write("audit.toml", 'pdf = "report.pdf"' + RUN_FILE)
    desk.refuses("run", "audit.toml", says=("`pdf` must be true or false",))
