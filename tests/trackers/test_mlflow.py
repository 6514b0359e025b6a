"""A report in MLflow, in a store on disk, read back as MLflow reads it."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report.fakes import LEAKY, fake, game
from trackers.secrets_kept import SECRET, full_of_ids, holds_a_secret

from ml_privacy_meter import InputError
from ml_privacy_meter.trackers import check_mlflow, to_mlflow

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own, of the libraries beneath it


def test_figures_are_metrics_settings_are_params_and_the_summary_is_an_artifact(tracking: Any, tmp_path: Path) -> None:
    report = fake(400)
    run = tracking.get_run(to_mlflow(report, "audits", step=3))
    risk = report.risks[LEAKY]["TPR@1%FPR"]
    name = f"{LEAKY}/TPR at 1 percent FPR"
    ends = [run.data.metrics[f"{name}{end}"] for end in ("", "/low", "/high", "/without the model")]
    assert ends == pytest.approx([risk.value, risk.low, risk.high, risk.baseline])
    assert [one.step for one in tracking.MlflowClient().get_metric_history(run.info.run_id, name)] == [3]
    assert run.data.params["audit/seed"] == "0"
    assert run.data.params["audit/model"] == "resnet20.pt2, a torch.export program, 10 classes"
    assert not [key for key in run.data.params if "accuracy" in key or "times" in key or "paths" in key]
    assert run.data.tags["privacy audit"].startswith("Training records can be told from others")
    folder = Path(tracking.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=str(tmp_path)))
    there = {path.name for path in (folder / "privacy-audit" / "step-3").iterdir()}
    assert there >= {"report.json", "report.md", "ROC linear axes.png", "privacy risk.png", "risk by class.png"}
    content = json.loads((folder / "privacy-audit" / "step-3" / "report.json").read_text(encoding="utf-8"))
    assert content["schema"] == "ml-privacy-meter/report"


def test_a_run_that_is_active_is_gone_on_with_so_that_epochs_become_curves(tracking: Any) -> None:
    tracking.set_experiment("training")
    with tracking.start_run() as run:
        for step, leak in ((1, 0.1), (2, 0.9), (2, 0.9)):
            assert to_mlflow(fake(400, leak=leak, model=f"epoch {step}"), "ignored", step=step) == run.info.run_id
    history = tracking.MlflowClient().get_metric_history(run.info.run_id, f"{LEAKY}/AUC")
    assert [one.step for one in history] == [1, 2, 2]
    assert history[0].value < history[1].value
    assert tracking.get_experiment_by_name("ignored") is None
    params = tracking.get_run(run.info.run_id).data.params
    assert (params["audit/model"], params["audit/model/step 2"]) == ("epoch 1", "epoch 2")
    assert [name for name in params if "/step " in name] == ["audit/model/step 2"]


def test_no_id_no_value_and_no_path_goes_there_and_strange_names_do_not_collide(tracking: Any) -> None:
    run = tracking.get_run(to_mlflow(full_of_ids(), "secrets"))
    assert not holds_a_secret(Path.cwd())
    assert SECRET not in str(run.data)
    classes = [name for name in run.data.metrics if name.startswith(f"{LEAKY} by class/") and name.count("/") == 2]
    assert len(classes) == 4


def test_games_beside_membership_go_there_and_a_report_of_these_alone_says_so(tracking: Any) -> None:
    alone = replace(fake(400), findings=(), calibration=None).with_games(game(secret="status"))
    run = tracking.get_run(to_mlflow(alone, "games"))
    assert run.data.tags["privacy audit"].startswith("Whether records can be told to be training records was not asked")
    name = "attribute: status/imputation_times_model/excess on members above non-members"
    assert run.data.metrics[name] == pytest.approx(0.05)
    assert run.data.metrics["audit/attacks failed"] == 1


def test_more_figures_than_fit_into_one_request_are_logged(tracking: Any) -> None:
    run = tracking.get_run(to_mlflow(fake(4000, classes=[f"class {i}" for i in range(20)]), "many"))
    assert len([name for name in run.data.metrics if name.startswith(f"{LEAKY} by class/class ")]) == 4 * 20


def test_what_is_missing_or_refused_is_said_in_a_sentence(tracking: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="needs a name"):
        check_mlflow(" ")
    with pytest.raises(InputError, match="`step`"):
        check_mlflow("audits", step=-1)
    with monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with pytest.raises(InputError, match=r"127\.0\.0\.1:9.* Set MLFLOW_TRACKING_URI"):
            check_mlflow("audits")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(InputError, match=r"ml-privacy-meter\[mlflow\]"):
        check_mlflow("audits")
