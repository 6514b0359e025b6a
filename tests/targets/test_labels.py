"""How outputs are read and labels are set beside them, for every task."""

from typing import Any

import numpy as np
import pytest
import torch
from targets.worlds_of_models import both, logits, network, records
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets import Target, fit, fit_labels, open_model, reading_of
from ml_privacy_meter.types import Records


class Constant(nn.Module):
    """Answers with its input's first columns."""

    def __init__(self, columns: int, after: Any = nn.Identity()) -> None:  # noqa: B008
        super().__init__()
        self.columns, self.after = columns, after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(x[:, : self.columns])


def sets(y: Any, features: int = 5) -> tuple[Records, Records]:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(len(y), features, generator=draw)
    return records(x, y, "m"), records(x, y, "n")


def fitted(model: Any, y: Any, **settings: Any) -> tuple[Target, Tensor, Tensor]:
    """The target, its answers for the members, and their labels."""
    target, members, _ = fit(open_model(model, **settings), *sets(y))
    return target, target.eval()(members.x[0 : len(members)]), members.labels


CLASSES = np.arange(40) % 3
BITS = np.arange(40) % 2


def test_probabilities_become_their_logarithm_and_stay_finite() -> None:
    module = Constant(3, nn.Softmax(dim=1))
    _, answer, _ = fitted(module, CLASSES)
    torch.testing.assert_close(answer.exp(), module(sets(CLASSES)[0].x))
    _, hard, _ = fitted(lambda x: torch.eye(3)[torch.arange(len(x)) % 3], CLASSES)
    assert hard.isfinite().all()
    assert hard.dtype == torch.float32
    assert hard[0, 1] < -80


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_precision_of_the_outputs_is_kept(dtype: torch.dtype) -> None:
    answer = fitted(lambda x: x[:, :3].to(dtype), CLASSES)[1]
    assert answer.dtype == dtype
    assert fitted(lambda x: x[:, :3].half(), CLASSES)[1].dtype == torch.float32


@pytest.mark.parametrize("flat", [True, False])
def test_one_logit_is_two_columns_whose_softmax_is_the_sigmoid(flat: bool) -> None:
    column = nn.Flatten(0) if flat else nn.Identity()
    target, answer, labels = fitted(Constant(1, column), BITS)
    raw = sets(BITS)[0].x[:, 0]
    torch.testing.assert_close(answer, torch.stack([torch.zeros(40), raw], dim=1))
    torch.testing.assert_close(answer.softmax(1)[:, 1], raw.sigmoid())
    assert labels.tolist() == BITS.tolist()
    assert "one logit" in target.says


def test_one_probability_is_two_columns_of_logarithms() -> None:
    target, answer, _ = fitted(Constant(1, nn.Sigmoid()), BITS.astype(bool))
    torch.testing.assert_close(answer.softmax(1)[:, 1], sets(BITS)[0].x[:, 0].sigmoid())
    assert "one probability" in target.says
    _, hard, _ = fitted(lambda x: (x[:, 0] > 0).float(), BITS)
    assert hard.isfinite().all()
    assert hard.min() < -15


def test_the_setting_overrides_what_outputs_look_like() -> None:
    module = Constant(1, nn.Sigmoid())
    raw = module(sets(BITS)[0].x)[:, 0].detach()
    _, answer, _ = fitted(module, BITS, outputs="logits")
    torch.testing.assert_close(answer[:, 1], raw)
    with pytest.raises(InputError, match="must lie in"):
        fitted(Constant(1), BITS, outputs="probabilities")
    with pytest.raises(InputError, match="sum to one"):
        fitted(Constant(3, nn.Sigmoid()), CLASSES, outputs="probabilities")


def test_outputs_between_zero_and_one_that_do_not_sum_to_one_must_be_said_to_be_logits() -> None:
    with pytest.raises(InputError, match="do not sum to one can be read in two ways"):
        fitted(Constant(3, nn.Sigmoid()), CLASSES)
    target, answer, _ = fitted(Constant(3, nn.Sigmoid()), CLASSES, outputs="logits")
    torch.testing.assert_close(answer, sets(CLASSES)[0].x[:, :3].sigmoid())
    assert "logits of 3 classes" in target.says


def test_probabilities_in_half_precision_are_still_probabilities() -> None:
    target, _, _ = fitted(lambda x: x[:, :3].softmax(1).bfloat16(), CLASSES)
    assert "probabilities of 3" in target.says


def test_a_logit_that_looks_like_a_probability_at_first_is_found_out() -> None:
    members, others = sets(BITS)
    target, members, _ = fit(open_model(lambda x: x[:, 0].sigmoid()), members, others)
    with pytest.raises(InputError, match=r"must lie in \[0, 1\], found .* say `outputs"):
        target._reading.of(torch.tensor([0.5, 3.0]))


def test_one_column_and_two_of_the_same_probabilities_are_read_alike() -> None:
    p = torch.tensor([0.0, 0.3, 1.0])
    one = reading_of(p, task="classes").of(p)
    two = reading_of(torch.stack([1 - p, p], 1), task="classes").of(torch.stack([1 - p, p], 1))
    torch.testing.assert_close(one, two)


def test_quantities_beside_a_classifier_are_refused() -> None:
    with pytest.raises(InputError, match="needs labels that are classes"):
        fitted(lambda x: x[:, :3].softmax(1), sets(CLASSES)[0].x[:, :3].softmax(1).numpy() / 2, outputs="probabilities")


def test_probabilities_that_were_rounded_are_still_probabilities() -> None:
    target, _, _ = fitted(lambda x: x[:, :3].softmax(1).mul(1000).round().div(1000), CLASSES)
    assert "probabilities of 3" in target.says


def test_several_labels_are_told_by_their_shape() -> None:
    y = np.stack([BITS, CLASSES == 0, CLASSES == 1], axis=1).astype(int)
    raw = sets(y)[0].x[:, :3]
    target, answer, labels = fitted(Constant(3), y)
    torch.testing.assert_close(answer, raw)
    assert labels.dtype == torch.bool
    assert labels.int().tolist() == y.tolist()
    target, answer, _ = fitted(Constant(3, nn.Sigmoid()), y)
    torch.testing.assert_close(answer, raw, atol=1e-5, rtol=1e-4)
    assert "probabilities of 3 labels" in target.says
    _, hard, _ = fitted(lambda x: (x[:, :3] > 0).float(), y)
    assert hard.isfinite().all()


def test_a_row_with_a_single_one_is_a_class_unless_labels_are_asked_for() -> None:
    hot = np.eye(3)[CLASSES]
    assert fitted(Constant(3), hot)[2].tolist() == CLASSES.tolist()
    assert fitted(Constant(3), hot, task="labels")[2].dtype == torch.bool


def test_regression_is_told_by_labels_that_are_not_whole() -> None:
    y = np.linspace(0, 3, 40)
    target, answer, labels = fitted(Constant(1), y)
    assert answer.shape == labels.shape == (40,)
    assert labels.is_floating_point()
    assert "quantities" in target.says
    assert target.classes is None


@pytest.mark.parametrize("settings", [{"task": "regression"}, {"outputs": "values"}])
def test_regression_on_whole_labels_is_asked_for(settings: dict[str, str]) -> None:
    _, answer, labels = fitted(Constant(1), np.arange(40), **settings)
    assert labels.is_floating_point()
    assert answer.shape == labels.shape


def test_regression_takes_several_quantities_and_matches_a_column_to_a_row() -> None:
    y = np.random.default_rng(0).normal(size=(40, 2))
    assert fitted(Constant(2), y)[1].shape == fitted(Constant(2), y)[2].shape == (40, 2)
    _, answer, labels = fitted(Constant(1), y[:, :1])
    assert answer.shape == labels.shape
    with pytest.raises(InputError, match=r"shape \(3,\) and labels of the shape \(2,\)"):
        fitted(Constant(3), y)


def test_whole_labels_for_one_output_ask_for_the_task() -> None:
    with pytest.raises(InputError, match=r'found 2 for the record m2.*task = "regression"'):
        fitted(Constant(1), np.arange(40))


def test_labels_of_minus_one_and_one_are_refused_until_classes_map_them() -> None:
    y = BITS * 2 - 1
    for columns in (1, 2):
        with pytest.raises(InputError, match=r"found -1 for the record m0.*`classes`"):
            fitted(Constant(columns), y)
        assert fitted(Constant(columns), y, classes=[-1, 1])[2].tolist() == BITS.tolist()


def test_whole_floats_are_classes_and_fractions_are_not() -> None:
    assert fitted(Constant(3), CLASSES.astype(float))[2].tolist() == CLASSES.tolist()
    with pytest.raises(InputError, match=r"whole number, found 0\.5 for the record m1"):
        fitted(Constant(3), CLASSES / 2, task="classes")


def test_a_label_out_of_range_names_record_label_and_outputs() -> None:
    y = CLASSES.copy()
    y[7] = 3
    with pytest.raises(InputError, match="between 0 and 2, as the model has 3 outputs; found 3 for the record m7"):
        fitted(Constant(3), y)


def test_words_ask_for_the_order_of_the_outputs() -> None:
    words = np.array(["cat", "dog", "bird"], dtype=object)[CLASSES]
    with pytest.raises(InputError, match=r"bird, cat, dog.*classes = \[.*sorted"):
        fitted(Constant(3), words)
    target, _, labels = fitted(Constant(3), words, classes=["cat", "dog", "bird"])
    assert labels.tolist() == CLASSES.tolist()
    assert target.classes == ("cat", "dog", "bird")
    target, _, labels = fitted(Constant(3), words, classes="sorted")
    assert target.classes == ("bird", "cat", "dog")
    assert labels[:3].tolist() == [1, 2, 0]


def test_sorted_classes_are_those_of_both_sets() -> None:
    members, others = sets(np.array(["b"] * 20 + ["c"] * 20)), sets(np.array(["a"] * 20 + ["c"] * 20))
    target, members, others = fit(open_model(Constant(3), classes="sorted"), members[0], others[1])
    assert target.classes == ("a", "b", "c")
    assert set(members.labels.tolist()) == {1, 2}
    assert set(others.labels.tolist()) == {0, 2}


def test_names_beside_indices_are_the_usual_pair() -> None:
    target, _, labels = fitted(Constant(3), CLASSES, classes=["x", "y", "z"])
    assert labels.tolist() == CLASSES.tolist()
    assert target.classes == ("x", "y", "z")


def test_classes_must_be_as_many_as_outputs() -> None:
    with pytest.raises(InputError, match="3 classes once, found 2: x, y"):
        fitted(Constant(3), CLASSES, classes=["x", "y"])
    with pytest.raises(InputError, match='list of names or "sorted", found "alphabetical"'):
        fitted(Constant(3), CLASSES, classes="alphabetical")


def test_labels_that_are_not_finite_name_the_record() -> None:
    y = np.linspace(0, 1, 40)
    y[5] = np.nan
    with pytest.raises(InputError, match="finite, found nan for the record m5"):
        fitted(Constant(1), y)


def test_labels_of_another_width_than_the_outputs_are_refused() -> None:
    y = np.stack([BITS, CLASSES == 0], axis=1).astype(int)
    with pytest.raises(InputError, match="each of the model's 3 outputs"):
        fitted(Constant(3), y)


def test_a_classifier_of_pictures_of_classes_is_refused() -> None:
    with pytest.raises(InputError, match="one row of numbers for each record"):
        fitted(lambda x: x[:, :, None], CLASSES)


def test_a_setting_with_a_typo_names_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean `logits`"):
        open_model(network(), outputs="logit")
    with pytest.raises(InputError, match="Did you mean `regression`"):
        open_model(network(), task="regresion")


def test_parts_of_one_whole_stay_parts_of_one_whole() -> None:
    whole, _ = both(size=60)
    whole = records(whole.x, np.array(["a", "b", "c"])[whole.y])
    members, others = whole.take(np.arange(0, 60, 2)), whole.take(np.arange(1, 60, 2))
    _, members, others = fit(open_model(network(), classes="sorted"), members, others)
    assert members.base is others.base
    assert members.base.labels[members.rows].tolist() == members.labels.tolist()


def test_labels_can_be_fitted_beside_saved_outputs() -> None:
    members, others = both()
    outputs = logits(network(), members.x).softmax(1)
    members, others, task, names = fit_labels(members, others, columns=3)
    assert (task, names) == ("classes", None)
    reading = reading_of(outputs, task=task)
    torch.testing.assert_close(reading.of(outputs).exp(), outputs)
    assert reading.columns == 3


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    import subprocess
    import sys

    code = "import sys, ml_privacy_meter.targets; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"onnxruntime", "keras", "skops", "httpx", "tenacity", "jmespath"} & set(run.stdout.split())
