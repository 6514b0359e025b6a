"""`--tensorboard`, `--mlflow` and `--step`, and [track] in a run file."""

import sys
from pathlib import Path

import pytest
from cli.desk import AUDIT, RUN_FILE, Desk, figure

from ml_privacy_meter import InputError, trackers
from ml_privacy_meter.cli import tracking

MODEL = ("--model", "model.pt2")


@pytest.fixture
def ready(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    monkeypatch.setattr("ml_privacy_meter.trackers.pictures.pictures", lambda found: iter(()))
    desk.bring("model.pt2", "train.npz", "test.npz")
    return desk


def auc(folder: str) -> tuple[int, float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(folder)
    found.Reload()
    (event,) = found.Scalars("threshold/AUC")
    return event.step, event.value


def test_an_audit_is_logged_as_the_report_says(ready: Desk) -> None:
    report = ready.reports(*AUDIT, *MODEL, "--tensorboard", "runs/a", "--step", "7")
    assert auc("runs/a") == (7, pytest.approx(figure(report, "threshold", "AUC")["value"]))


def test_a_run_file_says_the_same_relative_to_itself_and_options_come_first(ready: Desk) -> None:
    ready.write("audit.toml", RUN_FILE + '[track]\ntensorboard = "runs/a"\nstep = 7\n')
    report = ready.reports("run", "audit.toml")
    value = pytest.approx(figure(report, "threshold", "AUC")["value"])
    assert auc("runs/a") == (7, value)
    ready.reports("run", "audit.toml", "--tensorboard", "runs/b", "--step", "0")
    assert auc("runs/b") == (0, value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--step", "3"), "--tensorboard"),
        (("--tensorboard", "train.npz"), "is a file"),
        (("--tensorboard", "report"), "not inside it"),
        (("--tensorboard", "report/runs"), "not inside it"),
        (("--tensorboard", "runs", "--step", "-1"), "`step` must be 0 or more"),
        (("--tensorboard", "runs", "--step", "9223372036854775808"), "`step` must be 0 or more, and less than 2^63"),
        (("--mlflow", ""), "needs a name"),
    ],
)
def test_what_cannot_be_logged_is_refused_before_the_audit(ready: Desk, options: tuple[str, ...], says: str) -> None:
    ready.refuses(*AUDIT, *MODEL, *options, says=(says,))
    assert not Path(".privacy-meter").exists()


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_missing_extra_is_named_before_the_audit(ready: Desk, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    ready.refuses(*AUDIT, *MODEL, f"--{name}", "x", says=(f"pip install 'ml-privacy-meter[{name}]'",))
    assert not Path(".privacy-meter").exists()


@pytest.mark.parametrize(
    ("track", "says"),
    [('track = "runs"', "`track` must be a table"), ("[track]\nsteps = 1", "step"), ('[track]\nstep = "1"', "number")],
)
def test_a_section_that_nobody_can_read_is_refused(ready: Desk, track: str, says: str) -> None:
    ready.write("audit.toml", f"{track}\n{RUN_FILE}" if "[" not in track else f"{RUN_FILE}\n{track}\n")
    ready.refuses("run", "audit.toml", says=(says,))


def test_a_tracker_that_fails_after_the_audit_costs_no_report(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **settings: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trackers, "to_tensorboard", full)
    said = ready.run(*AUDIT, *MODEL, "--tensorboard", "runs")
    assert said.status == 2
    assert "The report is saved in report, but was not logged: [Errno 28]" in said.err
    assert ready.report()["findings"]


def test_settings_of_a_run_file_stay_as_they_are_without_options() -> None:
    assert tracking.with_options({"out": "x"}, step=None) == {"out": "x"}
    with pytest.raises(InputError, match="not inside it"):
        tracking.check_trackers({"tensorboard": "x/y"}, Path(), Path("x"))
