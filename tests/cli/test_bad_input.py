"""Bad input: a sentence that says what, where and what to do, exit status 2, and nothing else."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from cli.desk import AUDIT, Desk
from cli.makers import MEMBER, X, Y, arrays, names, network

MODEL = ("--model", "model.pt2")


@pytest.fixture
def ready(desk: Desk) -> Desk:
    """A desk with all that an audit takes."""
    desk.bring("model.pt2", "train.npz", "test.npz")
    return desk


def changed(path: str = "train.npz", **arrays_of: Any) -> None:
    """The file with some of its arrays replaced."""
    with np.load(path) as content:
        whole = dict(content)
    np.savez(path, **(whole | arrays_of))


def with_value(value: float, row: int = 7, column: int = 3) -> np.ndarray:
    x = X[MEMBER].numpy().copy()
    x[row, column] = value
    return x


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--model", ("`absent.npz` does not exist",)),
        ("--members", ("`absent.npz`", "Check the path")),
        ("--non-members", ("`absent.npz`", "Check the path")),
    ],
)
def test_a_file_that_is_not_there_is_named(ready: Desk, option: str, words: tuple[str, ...]) -> None:
    ready.refuses(*AUDIT, *MODEL, option, "absent.npz", says=words)


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_feature_that_is_not_finite_is_named_by_row_and_id(ready: Desk, value: str) -> None:
    changed(x=with_value(float(value)), id=[f"person {i}" for i in range(60)])
    ready.refuses(*AUDIT, *MODEL, says=(value, "row 7", "column 3", "'person 7'", "members", "Mend the record"))


def test_a_gap_in_a_table_is_named_by_row_and_column(desk: Desk) -> None:
    desk.bring("model.skops", "train.csv", "test.csv")
    table = pd.read_csv("test.csv")
    table.loc[11, "f5"] = np.nan
    table.to_csv("test.csv", index=False)
    sides = ("--members", "train.csv", "--non-members", "test.csv", "--out", "report", "--label", "tree")
    desk.refuses("audit", "--model", "model.skops", *sides, says=("row 11", "`f5`", "`test.csv`", "Fill it in"))


@pytest.mark.parametrize("row", [5, 55])
def test_an_output_that_is_not_finite_is_named_by_the_record(ready: Desk, row: int) -> None:
    """Row 5 is among those that the model is tried on, row 55 is not."""
    changed(x=with_value(1e38, row, column=1), id=[f"person {i}" for i in range(60)])
    ready.write("overflows.py", "import torch\n\ndef build():\n    return lambda x: x[:, :3] * 100\n")
    ready.refuses(*AUDIT, "--model", "overflows:build", says=("finite", "inf", f"person {row}"))


def test_a_saved_output_that_is_not_finite_is_named_by_row(desk: Desk) -> None:
    desk.bring("train_answers.npz", "test_answers.npz")
    with np.load("test_answers.npz") as content:
        probabilities = content["probabilities"].copy()
    probabilities[9, 1] = np.nan
    changed("test_answers.npz", probabilities=probabilities)
    sides = ("--members", "train_answers.npz", "--non-members", "test_answers.npz", "--out", "report")
    desk.refuses("audit", *sides, says=("output", "nan", "row 9", "non-members"))


def test_a_label_beyond_the_outputs_is_named_by_the_record(ready: Desk) -> None:
    changed(y=np.where(np.arange(60) == 4, 3, Y[MEMBER].numpy()))
    ready.refuses(*AUDIT, *MODEL, says=("between 0 and 2", "3 outputs", "found 3", "members:4"))


def test_labels_that_are_names_need_the_order_of_the_classes(ready: Desk) -> None:
    changed(y=names(Y[MEMBER]))
    changed("test.npz", y=names(Y[~MEMBER]))
    ready.refuses(*AUDIT, *MODEL, says=("ash", "classes", '"sorted"'))
    assert ready.reports(*AUDIT, *MODEL, "--classes", "sorted")


def test_a_name_that_is_no_class_of_the_estimator_is_named(desk: Desk) -> None:
    desk.bring("model.skops", "train.csv", "test.csv")
    table = pd.read_csv("test.csv")
    table.loc[3, "tree"] = "aspen"
    table.to_csv("test.csv", index=False)
    sides = ("--members", "train.csv", "--non-members", "test.csv", "--out", "report")
    options = ("--label", "tree", "--id", "plot", "--drop", "region")
    says = ("'aspen'", "test-plot-3", "ash, birch, cedar")
    desk.refuses("audit", "--model", "model.skops", *sides, *options, says=says)


@pytest.mark.parametrize("model", ["model.pt2", "model.ts", "model.onnx", "model.keras"])
def test_records_that_the_model_refuses_are_shown_with_both_shapes(desk: Desk, model: str) -> None:
    desk.bring(model, "train.npz", "test.npz")
    for name in ("train.npz", "test.npz"):
        changed(name, x=np.zeros((60, 50), np.float32) + np.arange(60, dtype=np.float32)[:, None])
    desk.refuses(*AUDIT, "--model", model, says=("shape (32, 50)", "108", "`preprocess`"))


def test_columns_that_the_estimator_was_fitted_on_and_that_are_missing_are_named(desk: Desk) -> None:
    desk.bring("model.skops", "train.csv", "test.csv")
    sides = ("--members", "train.csv", "--non-members", "test.csv", "--out", "report", "--label", "tree")
    desk.refuses("audit", "--model", "model.skops", *sides, "--drop", "f3", says=("f3", "fitted"))


@pytest.mark.parametrize("count", [0, 19])
def test_a_set_of_too_few_records_says_how_many_it_takes(ready: Desk, count: int) -> None:
    changed("test.npz", x=X[:count].numpy(), y=Y[:count].numpy())
    ready.refuses(*AUDIT, *MODEL, says=("at least 20",))


def test_an_empty_table_says_how_many_records_it_takes(desk: Desk) -> None:
    desk.bring("model.skops", "train.csv", "test.csv")
    pd.read_csv("test.csv")[:0].to_csv("test.csv", index=False)
    sides = ("--members", "train.csv", "--non-members", "test.csv", "--out", "report", "--label", "tree")
    desk.refuses("audit", "--model", "model.skops", *sides, says=("`test.csv` holds no records", "20"))


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "module.pt"])
def test_a_pickled_model_is_told_what_to_become(ready: Desk, name: str) -> None:
    torch.save(network(), name)  # a whole module, which takes unpickling
    ready.refuses(*AUDIT, "--model", name, says=(f"`{name}`", "pickle", "skops", "torch.export.save", "safetensors"))


def test_weights_alone_are_told_to_bring_a_factory(ready: Desk) -> None:
    ready.bring("model.pt", "model.safetensors")
    for name in ("model.pt", "model.safetensors"):
        ready.refuses(*AUDIT, "--model", name, says=("weights", "package.module:factory", f"--weights {name}"))


def test_weights_that_are_a_pickle_are_told_what_to_become(ready: Desk) -> None:
    ready.bring("my_factory.py")
    torch.save(network(), "whole.pt")
    says = ("whole.pt", "pickle", "safetensors.torch.save_file")
    ready.refuses(*AUDIT, "--model", "my_factory:build", "--weights", "whole.pt", says=says)


def test_pickled_records_are_told_what_to_become(ready: Desk) -> None:
    pd.DataFrame(arrays("train")["x"]).to_pickle("train.pkl")
    ready.refuses(*AUDIT, *MODEL, "--members", "train.pkl", says=("`train.pkl` is a pickle", "np.savez", "to_parquet"))


def test_python_objects_in_an_npz_file_are_not_unpickled(ready: Desk) -> None:
    changed(y=np.array(["a", 1] * 30, object))
    ready.refuses(*AUDIT, *MODEL, says=("`y`", "Python objects", "astype"))


@pytest.mark.parametrize(
    "name", ["model.pt2", "model.ts", "model.skops", "model.onnx", "model.keras", "model.safetensors"]
)
def test_a_model_file_that_was_cut_off_is_called_corrupt(ready: Desk, name: str) -> None:
    ready.bring(name, "my_factory.py")
    content = Path(name).read_bytes()
    Path(name).write_bytes(content[: len(content) // 2])
    model = ("my_factory:build", "--weights", name) if name in ("model.safetensors", "model.pt") else (name,)
    ready.refuses(*AUDIT, "--model", *model, says=(name, "corrupt"))


@pytest.mark.parametrize("name", ["train.npz", "train.csv", "train.parquet"])
def test_records_that_were_cut_off_are_called_so(ready: Desk, name: str) -> None:
    ready.bring("train.csv", "train.parquet")
    Path(name).write_bytes(Path(name).read_bytes()[:-400])
    said = ready.refuses(
        *AUDIT, *MODEL, "--members", name, "--label", "y" if name == "train.npz" else "tree", says=(name,)
    )
    assert any(words in said for words in ("Save or download", "Save it again", "Mend it", "has none in column"))


def test_bytes_that_are_no_text_are_no_table(ready: Desk) -> None:
    Path("train.csv").write_bytes(bytes(range(256)) * 40)
    ready.refuses(*AUDIT, *MODEL, "--members", "train.csv", says=("train.csv",))


def test_an_image_that_cannot_be_read_is_named(desk: Desk) -> None:
    desk.bring("images.pt2", "train_images", "test_images")
    broken = next(Path("train_images/ash").iterdir())
    broken.write_bytes(b"no image")
    sides = ("--members", "train_images", "--non-members", "test_images", "--out", "report", "--classes", "sorted")
    desk.refuses("audit", "--model", "images.pt2", *sides, says=(str(broken), "cannot be read", "Replace it"))


def test_an_unknown_attack_is_told_the_nearest(ready: Desk) -> None:
    ready.refuses(*AUDIT, *MODEL, "--attack", "treshold", says=("no attack `treshold`", "`threshold`"))


@pytest.mark.parametrize("name", ["absent_module:attack", "my_factory:absent", "my_factory:torch", "broken:attack"])
def test_an_attack_of_ones_own_that_cannot_be_imported_says_why(ready: Desk, name: str) -> None:
    ready.bring("my_factory.py")
    ready.write("broken.py", "def attack(:\n")
    ready.refuses(*AUDIT, *MODEL, "--attack", name, says=(f"`{name}`",))


@pytest.mark.parametrize("content", [{"thesis.tex": "x"}, {"report.json": "{}"}, {"report.md": "# Mine"}])
def test_a_folder_of_somebody_elses_files_is_left_as_it_is(ready: Desk, content: dict[str, str]) -> None:
    for name, text in content.items():
        ready.write(f"report/{name}", text)
    ready.refuses(*AUDIT, *MODEL, says=(str(Path("report").resolve()), *content, "Name a new folder"))


def test_a_file_in_the_place_of_the_report_is_left_as_it_is(ready: Desk) -> None:
    ready.write("report", "mine")
    ready.refuses(*AUDIT, *MODEL, says=("is a file",))


def test_an_earlier_report_is_replaced(ready: Desk) -> None:
    first = ready.reports(*AUDIT, *MODEL)
    again = ready.reports(*AUDIT, *MODEL, "--seed", 1)
    assert (first["about"]["seed"], again["about"]["seed"]) == (0, 1)


def test_an_earlier_report_outlives_an_audit_that_is_refused(ready: Desk) -> None:
    ready.reports(*AUDIT, *MODEL)
    changed(x=with_value(float("nan")))
    ready.refuses(*AUDIT, *MODEL, says=("nan",))


def test_records_without_outputs_need_a_model(ready: Desk) -> None:
    ready.refuses(*AUDIT, says=("no model", "no saved outputs", "`probabilities`"))


def test_saved_outputs_of_one_set_alone_are_refused(desk: Desk) -> None:
    desk.bring("train_answered.npz", "test.npz")
    sides = ("--members", "train_answered.npz", "--non-members", "test.npz", "--out", "report")
    desk.refuses("audit", *sides, says=("outputs",))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--fpr", "1.5"), ("fpr", "between 0 and 1", "1.5")),
        (("--confidence", "95"), ("`confidence`", "between 0 and 1", "95")),
        (("--outputs", "logit"), ("`logit`", "`logits`")),
        (("--task", "classification"), ("`classification`", "classes, labels, regression")),
        (("--label", "lable"), ("`lable`", "x, y")),
        (("--weights", "model.pt2"), ("`weights`", "package.module:factory")),
        (("--preprocess", "nowhere:f"), ("`nowhere:f`",)),
        (("--classes", "ash"), ("3 classes", "ash")),
    ],
)
def test_a_setting_that_does_not_fit_is_named(ready: Desk, options: tuple[str, ...], words: tuple[str, ...]) -> None:
    ready.refuses(*AUDIT, *MODEL, *options, says=words)


@pytest.mark.parametrize("options", [("--mdoel", "m"), ("--seed", "x"), ("--size", "3")])
def test_a_wrong_option_is_refused_before_anything_is_read(ready: Desk, options: tuple[str, ...]) -> None:
    said = ready.run(*AUDIT, *MODEL, *options)
    assert said.status == 2
    assert options[0] in said.err
    assert not Path("report").exists()


BEYOND_THE_COMMAND = pytest.mark.xfail(strict=True, reason="not refused yet by `audit`, which the command hands it to")


@pytest.mark.parametrize(
    "options", [("--device", "gpu"), ("--batch-size", "0"), ("--batch-size", "-5"), ("--seed", "-1")], ids=" ".join
)
def test_a_setting_that_nothing_can_be_done_with_is_named(ready: Desk, options: tuple[str, str]) -> None:
    ready.refuses(*AUDIT, *MODEL, *options, says=(options[0].strip("-").replace("-", "_"), options[1]))


@pytest.mark.parametrize("scores", ["torch.zeros(3)", "torch.zeros(len(view.records), 2)"])
def test_an_attack_with_scores_of_another_shape_has_failed(ready: Desk, scores: str) -> None:
    name = f"own_shapes_{len(scores)}"
    ready.write(f"{name}.py", f"import torch\n\ndef attack(view): return {scores}\n")
    said = ready.run(*AUDIT, *MODEL, "--attack", f"{name}:attack")
    assert said.status == 1
    fine, failed = (finding["failed"] for finding in ready.report()["findings"])
    assert not fine
    assert failed
    assert "Type-check" not in failed  # only tests check types


def test_twenty_records_of_many_features_are_enough(ready: Desk) -> None:
    for name in ("train.npz", "test.npz"):
        with np.load(name) as content:
            np.savez(name, x=content["x"][:20], y=content["y"][:20])
    assert ready.run(*AUDIT, *MODEL).status == 0


def test_a_group_that_is_called_as_a_column_of_the_report_does_not_take_its_place(desk: Desk) -> None:
    desk.bring("model.skops", "train.csv", "test.csv")
    for name in ("train.csv", "test.csv"):
        pd.read_csv(name).rename(columns={"region": "member"}).to_csv(name, index=False)
    sides = ("--members", "train.csv", "--non-members", "test.csv", "--out", "report", "--attack", "gap")
    said = desk.run("audit", "--model", "model.skops", *sides, "--label", "tree", "--id", "plot", "--group", "member")
    assert said.status == 2 or pd.read_parquet("report/records.parquet")["member"].dtype == bool


def test_a_store_that_is_a_file_is_refused(ready: Desk) -> None:
    ready.write("store", "mine")
    ready.refuses(*AUDIT, *MODEL, "--store", "store", says=("store",))


def test_the_same_records_on_both_sides_are_said_to_be_so(ready: Desk) -> None:
    shutil.copy("train.npz", "test.npz")
    said = ready.run(*AUDIT, *MODEL)
    assert said.status == 0
    assert "60 of 60 non-members have the same content as a member" in " ".join(said.out.split())


def test_swapped_sets_are_said_to_be_so(ready: Desk) -> None:
    said = ready.run(*AUDIT, *MODEL, "--members", "test.npz", "--non-members", "train.npz")
    assert said.status == 0
    assert "Are the sets swapped" in " ".join(said.out.split())
