"""The controller's answers for the impact assessment: where they are given, and what is refused."""

from functools import wraps
from typing import Any

import pytest
from cli.desk import AUDIT, RUN_FILE, Desk, lasting

from ml_privacy_meter.cli import runfile

MODEL = ("--model", "model.pt2")


@pytest.fixture
def ready(desk: Desk) -> Desk:
    desk.bring("model.pt2", "train.npz", "test.npz")
    return desk


def test_answers_of_a_file_are_filled_in_by_every_run(ready: Desk) -> None:
    ready.write("answers.toml", 'purposes = "Sorting of trees."\nreview = """\nIn May.\n\nAnd in June."""\n')
    for _ in range(2):
        report = ready.reports(*AUDIT, *MODEL, "--assessment", "answers.toml")
        assert report["about"]["assessment"]["purposes"] == "Sorting of trees."
        shown = (ready.folder / "report" / "dpia.md").read_text(encoding="utf-8")
        assert "> Sorting of trees.\n" in shown
        assert "> In May.\n>\n> And in June.\n" in shown


@pytest.mark.parametrize(
    "given",
    ['assessment = "my/answers.toml"\n' + RUN_FILE, RUN_FILE + '[assessment]\npurposes = "Sorting of trees."\n'],
)
def test_a_run_file_holds_answers_or_names_their_file(ready: Desk, given: str) -> None:
    ready.write("my/answers.toml", 'purposes = "Sorting of trees."')
    ready.write("audit.toml", given)
    ready.reports("run", "audit.toml")
    assert "> Sorting of trees.\n" in (ready.folder / "report" / "dpia.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('purpose = "x"', ("no blank", "Did you mean `purposes`")),
        ("data = 3", ("must be text", "`data` = 3")),
        ("purposes = unquoted", ("must be TOML", "answers.toml")),
        (None, ("cannot be read", "answers.toml")),
    ],
)
def test_answers_that_cannot_be_used_are_refused_before_the_audit(
    ready: Desk, text: str | None, says: tuple[str, ...]
) -> None:
    if text is not None:
        ready.write("answers.toml", text)
    ready.refuses(*AUDIT, *MODEL, "--assessment", "answers.toml", says=says)
    assert not (ready.folder / ".privacy-meter").exists()


def test_answers_of_another_kind_in_a_run_file_are_refused(ready: Desk) -> None:
    ready.write("audit.toml", RUN_FILE + "[assessment]\ndata = 3\n")
    ready.refuses("run", "audit.toml", says=("`assessment` must be text or a table",))
    ready.write("audit.toml", RUN_FILE + '[assessment]\nreveiw = "May"\n')
    ready.refuses("run", "audit.toml", "--dry-run", says=("Did you mean `review`",))


def test_an_assessment_that_somebody_completed_is_kept_and_said_before_the_audit(ready: Desk) -> None:
    ready.reports(*AUDIT, *MODEL)
    file = ready.folder / "report" / "dpia.md"
    file.write_text(file.read_text(encoding="utf-8").replace("[To be completed", "Done"), encoding="utf-8")
    store = ready.folder / ".privacy-meter"
    store.rename(ready.folder / "store-aside")
    ready.refuses(*AUDIT, *MODEL, says=("dpia.md was changed since it was written", "move that file out"))
    assert not store.exists()


def test_an_assessment_that_somebody_completes_during_the_audit_costs_neither_it_nor_the_audit(
    ready: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready.reports(*AUDIT, *MODEL)
    file = ready.folder / "report" / "dpia.md"
    (ready.folder / "report-2").mkdir()
    audit = runfile.audit

    @wraps(audit)
    def meanwhile(*given: object, **settings: Any) -> Any:
        file.write_text("# Done", encoding="utf-8")
        return audit(*given, **settings)

    monkeypatch.setattr(runfile, "audit", meanwhile)
    said = ready.run(*AUDIT, *MODEL)
    assert said.status == 2
    assert "dpia.md was changed since it was written" in said.err
    assert f"its report lies in {ready.folder / 'report-3'}.\n" in said.err
    assert file.read_text(encoding="utf-8") == "# Done"
    assert lasting(ready.report("report-3")) == lasting(ready.report())
    assert sorted(path.name for path in ready.folder.glob("report*")) == ["report", "report-2", "report-3"]
