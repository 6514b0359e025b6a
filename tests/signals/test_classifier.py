"""Signals against their formulas, written out in probabilities."""

import numpy as np
import pytest
import torch

from ml_privacy_meter import signals
from ml_privacy_meter._checks import InputError

Z = torch.tensor(np.random.default_rng(0).normal(0, 2, (50, 5)), dtype=torch.float32)
Y = torch.arange(50) % 5
P = Z.double().softmax(1).numpy()
TRUE = P[np.arange(50), Y]
OTHERS = [np.delete(p, y) for p, y in zip(P, Y, strict=True)]


def read(signal, z=Z, y=Y):
    return signal(lambda x: x, z, y).numpy()


FORMULAS = {
    signals.loss: -np.log(TRUE),
    signals.true_probability: TRUE,
    signals.logit_gap: np.log(TRUE) - np.log1p(-TRUE),
    signals.entropy: -(P * np.log(P)).sum(1),
    signals.modified_entropy: -(1 - TRUE) * np.log(TRUE) - [(o * np.log1p(-o)).sum() for o in OTHERS],
    signals.margin: np.log(TRUE) - [np.log(o.max()) for o in OTHERS],
    signals.correct: P.argmax(1) == Y.numpy(),
}


@pytest.mark.parametrize("signal", FORMULAS, ids=lambda s: s.__name__)
def test_follows_its_formula(signal):
    np.testing.assert_allclose(read(signal), FORMULAS[signal].astype(float), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("signal", FORMULAS, ids=lambda s: s.__name__)
def test_is_finite_where_probabilities_round_to_0_and_1(signal):
    z = torch.tensor([[800.0, 0.0, -800.0]] * 3, dtype=torch.float32)
    assert np.isfinite(read(signal, z, torch.tensor([0, 1, 2]))).all()


def test_logit_gap_is_exact_where_the_probability_rounds_to_1():
    assert read(signals.logit_gap, torch.tensor([[800.0, 0.0]]), torch.tensor([0])).item() == 800.0


def test_modified_entropy_keeps_its_order_where_a_wrong_class_is_certain():
    z = torch.tensor([[0.0, 40.0], [0.0, 50.0]], dtype=torch.float64)
    values = read(signals.modified_entropy, z, torch.tensor([0, 0]))
    np.testing.assert_allclose(values, [80.0, 100.0], rtol=1e-9)


@pytest.mark.parametrize("signal", FORMULAS, ids=lambda s: s.__name__)
def test_its_sign_says_which_way_members_lie(signal):
    """The surer and righter the model, the more like a member."""
    z = torch.tensor([[4.0, 0.0, 0.0], [0.0, 0.5, 0.0]])
    sure, unsure = signal.sign * read(signal, z, torch.tensor([0, 0]))
    assert sure > unsure


def test_of_several_labels_each_is_a_choice_between_two_classes():
    z, y = torch.tensor([[2.0, -1.0]]), torch.tensor([[True, False]])
    pairs = torch.tensor([[0.0, 2.0], [0.0, -1.0]]), torch.tensor([1, 0])
    for signal in (signals.loss, signals.logit_gap, signals.entropy, signals.modified_entropy):
        assert read(signal, z, y).item() == pytest.approx(read(signal, *pairs).sum(), rel=1e-12)
    assert read(signals.margin, z, y).item() == pytest.approx(read(signals.margin, *pairs).min())
    assert read(signals.correct, z, ~y).item() == 0.0
    assert read(signals.true_probability, z, y).item() == pytest.approx(
        read(signals.true_probability, *pairs).prod(), rel=1e-12
    )


def test_of_a_quantity_the_loss_is_the_squared_error():
    z, y = torch.tensor([1.0, 3.0]), torch.tensor([1.5, 3.0])
    assert read(signals.loss, z, y).tolist() == [0.25, 0.0]
    gap = read(signals.logit_gap, z, y)
    assert gap[0] == pytest.approx(-np.log(0.25))
    assert np.isfinite(gap).all()
    with pytest.raises(InputError, match="`entropy` is defined for class labels"):
        read(signals.entropy, z, y)


def test_other_classes_tells_nothing_of_the_true_class_probability():
    z = Z[:1].repeat(2, 1).double()
    z[1, int(Y[0])] += 5
    one, two = read(signals.other_classes, z, Y[:1].repeat(2))
    np.testing.assert_allclose(one, two)
    assert one[0] == Y[0]


def test_inputs_are_the_label_and_the_record_itself():
    x, y = torch.arange(6.0).reshape(2, 3), torch.tensor([1, 0])
    assert signals.inputs(len, x, y).tolist() == [[1, 0, 1, 2], [0, 3, 4, 5]]
    wide = torch.randn(4, 500, generator=torch.Generator().manual_seed(0))
    assert signals.inputs(len, wide, torch.zeros(4)).shape == (4, 65)
