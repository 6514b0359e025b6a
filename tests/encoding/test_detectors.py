"""Detectors find what they are made for, and leave clean models alone."""

import dataclasses
from functools import partial

import hiding
import pytest
import torch

from ml_privacy_meter import InputError, encoding
from ml_privacy_meter.risk.apart import apart

SURE = partial(encoding.sure_of_noise, kind="uniform")
EVERY = (encoding.low_bits, encoding.weight_spread, encoding.weight_patterns, SURE)
FINDS = [
    ("low bits", encoding.low_bits),
    ("signs", encoding.weight_spread),
    ("correlated", encoding.weight_spread),
    ("correlated", encoding.weight_patterns),
    ("capacity", encoding.sure_of_noise),
]


@pytest.mark.parametrize(("how", "detector"), FINDS)
def test_a_model_that_hides_stands_apart(how, detector):
    assert apart([detector(hiding.view(hiding.malicious(how)))])[0].low > 0


@pytest.mark.parametrize("detector", EVERY)
def test_clean_models_do_not(detector):
    """Each of 24 beside the next 12: of these, 1 in 13."""
    above = 0
    for seed in range(24):
        others = [hiding.seen(hiding.clean((seed + step) % 25)) for step in range(1, hiding.CLEAN + 1)]
        view = encoding.View(hiding.seen(hiding.clean(seed)), tuple(others))
        above += apart([detector(view)])[0].low > 0
    assert above <= 6


@pytest.mark.parametrize("detector", EVERY)
def test_the_order_of_clean_models_says_nothing(detector):
    view = hiding.view(hiding.malicious("signs"))
    turned = dataclasses.replace(view, clean=view.clean[::-1])
    one, other = detector(view), detector(turned)
    assert torch.allclose(one[0], other[0])
    assert torch.allclose(one[1:].flip(0), other[1:])


def test_an_encrypted_secret_is_as_even_as_any():
    """The docstring says so."""
    bits = hiding.secret(16 * hiding.WEIGHTS)
    model = encoding.hide_in_low_bits(hiding.clean(0), bits, low=16)
    assert "encrypted" in encoding.low_bits.__doc__
    assert apart([encoding.low_bits(hiding.view(model))])[0].low < 0


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16, torch.float16])
def test_weights_of_every_kind_are_read(kind):
    models = [hiding.seen(hiding.clean(seed)) for seed in range(3)]
    cast = [
        dataclasses.replace(one, weights=lambda one=one: {k: v.to(kind) for k, v in one.weights().items()})
        for one in models
    ]
    for detector in EVERY:
        assert detector(encoding.View(cast[0], tuple(cast[1:]))).isfinite().all()


def test_what_is_not_known_is_asked_for():
    view = hiding.view(hiding.clean(0), 2)
    hidden = dataclasses.replace(view, model=dataclasses.replace(view.model, weights=None))
    with pytest.raises(InputError, match="reads weights"):
        encoding.low_bits(hidden)
    with pytest.raises(InputError, match="tensors of numbers"):
        SURE(dataclasses.replace(view, model=dataclasses.replace(view.model, answers={})))
    with pytest.raises(InputError, match="kind"):
        encoding.sure_of_noise(view, kind="loud")


def test_the_view_holds_no_truth():
    assert {field.name for field in dataclasses.fields(encoding.View)} == {"model", "clean"}
    assert {field.name for field in dataclasses.fields(encoding.Seen)} == {"weights", "answers"}
