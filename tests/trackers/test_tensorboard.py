"""A report in TensorBoard, read back as TensorBoard reads it."""

import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from report.fakes import BLANK, FAILED, LEAKY, fake
from sklearn.metrics import precision_score, recall_score
from trackers.secrets_kept import full_of_ids, holds_a_secret

from ml_privacy_meter import InputError
from ml_privacy_meter.trackers import to_tensorboard

EVERYTHING = {"scalars": 0, "tensors": 0, "images": 0, "histograms": 0}


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance=EVERYTHING)
    found.Reload()
    return found


def test_every_figure_of_every_attack_stands_there_with_its_interval_and_baseline(tmp_path: Path) -> None:
    report = fake(400)
    found = read(to_tensorboard(report, tmp_path / "run", step=3))
    for attack, risks in report.risks.items():
        for name, risk in risks.items():
            ends = {"": risk.value, "/low": risk.low, "/high": risk.high, "/without the model": risk.baseline}
            for end, value in ends.items():
                if risk.value is None:
                    assert f"{attack}/{name}{end}" not in found.Tags()["scalars"]
                    continue
                (event,) = found.Scalars(f"{attack}/{name}{end}")
                assert (event.step, event.value) == (3, pytest.approx(value))
    assert not [name for name in found.Tags()["scalars"] if FAILED in name]
    assert found.Scalars("model/accuracy on members")[0].value == pytest.approx(0.997)
    assert found.Scalars("audit/attacks failed")[0].value == 1


def test_risk_by_class_and_group_stands_there_with_its_interval(tmp_path: Path) -> None:
    report = fake(2000)
    found = read(to_tensorboard(report, tmp_path))
    for group in report.findings[0].groups:
        risk = next(risk for risk in group.risks if risk.name == "AUC")
        name = f"{LEAKY} by {group.column}/{group.value}/AUC"
        ends = [found.Scalars(f"{name}{end}")[0].value for end in ("", "/low", "/high")]
        assert ends == pytest.approx([risk.value, risk.low, risk.high])


def test_a_pr_curve_is_that_of_the_scores(tmp_path: Path) -> None:
    report = fake(400)
    scores = report.findings[0].scores
    assert scores is not None
    (event,) = read(to_tensorboard(report, tmp_path)).Tensors(f"PR curve/{LEAKY}")
    proto = event.tensor_proto
    curve = np.array(proto.float_val).reshape([dim.size for dim in proto.tensor_shape.dim])
    right, wrong, wrong_not, right_not, precision, recall = curve
    assert curve.shape[1] <= 127
    assert np.all(right + right_not == 200)
    assert np.all(wrong + wrong_not == 200)
    assert np.all(np.diff(recall) <= 0)  # thresholds rise
    assert recall[0] == 1
    ranked = scores.score.sort(descending=True).values
    for place in range(0, curve.shape[1], 10):
        taken = scores.score >= ranked[int(right[place] + wrong[place]) - 1]
        assert precision[place] == pytest.approx(precision_score(scores.truth, taken))
        assert recall[place] == pytest.approx(recall_score(scores.truth, taken))


def test_histograms_hold_every_score_of_members_and_of_non_members(tmp_path: Path) -> None:
    report = fake(4000)
    scores = report.findings[0].scores
    assert scores is not None
    found = read(to_tensorboard(report, tmp_path))
    for side, values in (("members", scores.members), ("non-members", scores.others)):
        held = found.Histograms(f"scores: {LEAKY}/{side}")[0].histogram_value
        assert sum(held.bucket) == held.num == len(values)
        for place in (1, 10, 40):
            inside = (values >= held.bucket_limit[place - 1]) & (values < held.bucket_limit[place])
            assert held.bucket[place] == pytest.approx(int(inside.sum()), abs=1 if place == 40 else 0)


def test_roc_privacy_risk_and_risk_by_group_are_pictures(tmp_path: Path) -> None:
    found = read(to_tensorboard(fake(400), tmp_path))
    assert found.Tags()["images"] == [
        *("ROC, linear axes", "ROC, logarithmic axes", "privacy risk", "risk by class", "risk by region")
    ]
    for name in found.Tags()["images"]:
        picture = np.asarray(Image.open(io.BytesIO(found.Images(name)[0].encoded_image_string)))
        assert 0.005 < (picture.min(2) < 200).mean() < 0.6  # something is drawn


def test_the_verdict_stands_there_as_text_and_warnings_come_with_it(tmp_path: Path) -> None:
    report = fake(400, shifted=True)
    (event,) = read(to_tensorboard(report, tmp_path)).Tensors("privacy audit/text_summary")
    said = event.tensor_proto.string_val[0].decode()
    assert "This audit does not measure the model as it stands" in said
    assert "Members and non\\-members" in said or "different sources" in said
    assert f"**The attack {FAILED} failed.** The report says why." in said


def test_several_steps_are_one_curve_and_the_same_step_again_takes_the_place_of_itself(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1.training").write_bytes(b"")  # somebody else's
    for step, leak in ((0, 0.1), (10, 0.9), (5, 0.5), (10, 1.5)):
        to_tensorboard(fake(400, leak=leak), tmp_path, step=step)
    curve = {event.step: event.value for event in read(tmp_path).Scalars(f"{LEAKY}/AUC")}
    assert len(list(tmp_path.iterdir())) == 4
    assert len(read(tmp_path).Scalars(f"{LEAKY}/AUC")) == 3
    assert curve[0] < curve[5] < curve[10]
    assert curve[10] == pytest.approx(fake(400, leak=1.5).risks[LEAKY]["AUC"].value)


def test_no_id_no_value_and_no_path_goes_there_and_strange_names_do_not_collide(tmp_path: Path) -> None:
    report = full_of_ids()
    report.save(tmp_path / "report")
    assert holds_a_secret(tmp_path / "report")  # so that the test can tell
    to_tensorboard(report, tmp_path / "run")
    assert not holds_a_secret(tmp_path / "run")
    names = read(tmp_path / "run").Tags()["scalars"]
    assert f"{LEAKY} by class/<script>alert(1)<∕script>/AUC" in names
    assert f"{LEAKY} by class/a∕b/AUC" in names
    assert f"{LEAKY} by class/a∕b/AUC (2)" in names


@pytest.mark.parametrize(
    "report",
    [
        fake(20),
        fake(400, classes=None),
        fake(400, attacks=(), also=fake(20).findings[-1:]),
        fake(400, attacks=(BLANK,)),
    ],
    ids=["twenty records", "regression", "no attack ran", "one attack"],
)
def test_a_poor_report_is_logged_too(tmp_path: Path, report: Any) -> None:
    found = read(to_tensorboard(report, tmp_path))
    assert found.Scalars("audit/members")
    assert found.Tensors("privacy audit/text_summary")


def test_constant_scores_are_logged_too(tmp_path: Path) -> None:
    from report.fakes import finding, scores

    truth = np.arange(400) < 200
    flat = finding("flat", scores(np.zeros(400), truth), {})
    report = fake(400, attacks=(LEAKY,), also=(flat,))
    assert torch.equal(report.findings[1].scores.score, torch.zeros(400))  # type: ignore[union-attr]
    assert read(to_tensorboard(report, tmp_path)).Scalars("flat/AUC")[0].value == 0.5


def test_what_cannot_be_logged_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = fake(20)
    (tmp_path / "file").write_text("")
    report.save(tmp_path / "report")
    for where, step, says in (("file", 0, "is a file"), ("report", 0, "name another"), ("run", -1, "`step`")):
        with pytest.raises(InputError, match=says):
            to_tensorboard(report, tmp_path / where, step=step)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(InputError, match=r"ml-privacy-meter\[tensorboard\]"):
        to_tensorboard(report, tmp_path / "run")
    assert not (tmp_path / "run").exists()
