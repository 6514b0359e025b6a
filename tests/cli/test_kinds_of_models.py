"""Every kind of model and of records, from files to a report, as a user has them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli.desk import AUDIT, Desk, figure
from cli.makers import CLASSES
from cli.service import Service

TABLE = ("--label", "tree", "--id", "plot", "--group", "region", "--drop", "region", "--attack", "threshold")
ANSWERED = [option for name in CLASSES for option in ("--probabilities", f"p_{name}")]


@pytest.mark.parametrize("model", ["model.pt2", "model.ts", "model.onnx", "model.keras"])
def test_a_model_file_and_npz_files_give_a_report_that_finds_the_leak(desk: Desk, model: str) -> None:
    desk.bring(model, "train.npz", "test.npz")
    report = desk.reports(*AUDIT, "--model", model)
    assert (report["about"]["members"], report["about"]["non_members"]) == (60, 60)
    assert report["about"]["member_accuracy"] == 1.0
    assert sorted(path.name for path in Path("report").iterdir()) == [
        "dpia.md",
        "index.html",
        "records.parquet",
        "report.json",
        "report.md",
    ]


@pytest.mark.parametrize("weights", ["model.safetensors", "model.pt"])
def test_a_factory_in_the_folder_where_the_user_stands_is_filled_with_weights(desk: Desk, weights: str) -> None:
    desk.bring("my_factory.py", weights, "train.npz", "test.npz")
    report = desk.reports(*AUDIT, "--model", "my_factory:build", "--weights", weights)
    assert "my_factory:build" in report["about"]["model"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_an_estimator_and_tables_are_joined_by_the_names_of_columns_and_classes(desk: Desk, kind: str) -> None:
    desk.bring("model.skops", f"train.{kind}", f"test.{kind}")
    sides = ("--members", f"train.{kind}", "--non-members", f"test.{kind}")
    report = desk.reports("audit", "--model", "model.skops", *sides, "--out", "report", *TABLE)
    assert {exposed["id"].split("-plot-")[0] for exposed in report["exposed"]} == {"train"}
    groups = {(group["column"], group["value"]) for group in report["findings"][0]["groups"]}
    assert groups == {("class", name) for name in CLASSES} | {("region", "north"), ("region", "south")}
    table = pd.read_parquet("report/records.parquet")
    assert set(table["class"]) == set(CLASSES)
    assert table["id"].is_unique


def test_a_regressor_is_judged_by_its_squared_error(desk: Desk) -> None:
    desk.bring("regressor.skops", "train_quantity.npz", "test_quantity.npz")
    sides = ("--members", "train_quantity.npz", "--non-members", "test_quantity.npz")
    report = desk.reports("audit", "--model", "regressor.skops", *sides, "--out", "report")
    assert report["about"]["member_loss"] < 1e-6 < report["about"]["non_member_loss"]
    assert [finding["attack"] for finding in report["findings"]] == ["threshold", "quantile"]


def test_several_labels_at_once_are_audited(desk: Desk) -> None:
    desk.bring("several.pt2", "train_several.npz", "test_several.npz")
    sides = ("--members", "train_several.npz", "--non-members", "test_several.npz", "--attack", "threshold")
    report = desk.reports("audit", "--model", "several.pt2", *sides, "--out", "report")
    assert "4 labels" in report["about"]["model"]


def test_a_single_logit_is_a_model_of_two_classes(desk: Desk) -> None:
    desk.bring("binary.pt2", "train_binary.npz", "test_binary.npz")
    sides = ("--members", "train_binary.npz", "--non-members", "test_binary.npz", "--attack", "threshold")
    report = desk.reports("audit", "--model", "binary.pt2", *sides, "--out", "report")
    assert "one logit" in report["about"]["model"]
    assert report["about"]["member_accuracy"] == 1.0


def test_a_folder_of_images_is_read_with_the_names_of_its_classes(desk: Desk) -> None:
    desk.bring("images.pt2", "train_images", "test_images")
    sides = ("--members", "train_images", "--non-members", "test_images")
    report = desk.reports(
        "audit", "--model", "images.pt2", *sides, "--out", "report", "--classes", "sorted", "--attack", "threshold"
    )
    assert report["exposed"][0]["id"].endswith(".png")
    assert report["exposed"][0]["class"] in CLASSES


def test_images_are_brought_to_the_size_that_the_model_takes(desk: Desk) -> None:
    desk.bring("images.pt2", "train_images", "test_images")
    sides = ("--members", "train_images", "--non-members", "test_images", "--out", "report", "--classes", "sorted")
    desk.refuses("audit", "--model", "images.pt2", *sides, "--size", 7, 7, says=("(32, 3, 7, 7)", "3 x 6 x 6"))
    desk.reports("audit", "--model", "images.pt2", *sides, "--size", 6, 6, "--attack", "threshold")


@pytest.mark.parametrize("name", ["answers", "answered"])
def test_saved_probabilities_are_audited_without_a_model(desk: Desk, name: str) -> None:
    desk.bring(f"train_{name}.npz", f"test_{name}.npz")
    sides = ("--members", f"train_{name}.npz", "--non-members", f"test_{name}.npz")
    report = desk.reports("audit", *sides, "--out", "report", "--attack", "threshold")
    assert report["about"]["member_accuracy"] == 1.0
    shift = next(check for check in report["checks"] if "without the model" in check["name"])
    assert shift["says"].startswith("Not checked") == (name == "answers")


def test_saved_probabilities_in_columns_of_a_table_are_audited_without_a_model(desk: Desk) -> None:
    desk.bring("train_answered.csv", "test_answered.csv")
    sides = ("--members", "train_answered.csv", "--non-members", "test_answered.csv", "--out", "report")
    report = desk.reports("audit", *sides, *TABLE, *ANSWERED)
    assert report["about"]["member_accuracy"] == 1.0


def test_the_gain_of_saved_outputs_is_that_of_the_model_itself(desk: Desk) -> None:
    desk.bring("model.pt2", "train.npz", "test.npz", "train_answers.npz", "test_answers.npz")
    asked = desk.reports(*AUDIT, "--model", "model.pt2")
    sides = ("--members", "train_answers.npz", "--non-members", "test_answers.npz")
    saved = desk.reports("audit", *sides, "--out", "saved", "--attack", "threshold", folder="saved")
    for name in ("AUC", "TPR@10%FPR"):
        same = [figure(report, "threshold", name)["value"] for report in (asked, saved)]
        assert same[0] == pytest.approx(same[1], abs=1e-9)


def test_an_address_is_asked_once_for_each_record(desk: Desk, service: Service) -> None:
    desk.bring("train.npz", "test.npz")
    url = ("--model", service.url, "--request", '{"inputs": "$records"}', "--response", "scores")
    report = desk.reports(*AUDIT, *url)
    assert len(service.seen) == len(set(service.seen)) == 120
    assert report["about"]["access"] == "outputs"


def test_ids_may_be_numbers_and_classes_may_be_named(desk: Desk) -> None:
    desk.bring("model.pt2")
    for side, seed in (("train", 0), ("test", 1)):
        x = np.random.default_rng(seed).normal(size=(70, 108)).astype(np.float32)
        np.savez(f"{side}.npz", x=x, y=np.arange(70) % 3, id=np.arange(70) + 1000)
    named = [option for name in CLASSES for option in ("--classes", name)]
    report = desk.reports(*AUDIT, "--model", "model.pt2", *named, leak=False)
    assert {group["value"] for group in report["findings"][0]["groups"]} == set(CLASSES)
    assert all(1000 <= int(exposed["id"]) < 1070 for exposed in report["exposed"])
