"""Gradients of records are those of single backward passes, and the model is left as it was."""

import copy
import gc
import math
import warnings
import weakref
from dataclasses import replace
from functools import partial

import networks
import numpy as np
import pytest
import torch
import worlds
from torch import nn

from ml_privacy_meter import signals
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership import View, threshold
from ml_privacy_meter.signals import Reader, Store, ghost, gradient, passes, plan
from ml_privacy_meter.types import sign_of


def near(found, expected):
    """To 1e-5 of each record's whole gradient."""
    apart = (found - expected).reshape(len(expected), -1).norm(dim=1)
    assert (apart <= 1e-5 * expected.reshape(len(expected), -1).norm(dim=1)).all()


@pytest.mark.parametrize("name", networks.WORLDS)
def test_gradients_are_those_of_single_passes(name):
    model, x, y = networks.made(name)
    expected = networks.single_passes(model, x, y, list(model.parameters()))
    with torch.no_grad():
        near(signals.gradients(model, x, y), expected)
        near(signals.gradient_norm(model, x, y), expected.norm(dim=1))


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet20", "tied", "transformer, places first"])
def test_in_float64_they_agree_to_all_digits(name):
    model, x, y = networks.made(name)
    model, x = model.double(), x.double() if x.is_floating_point() else x
    expected = networks.single_passes(model, x, y, list(model.parameters()))
    assert (signals.gradients(model, x, y) - expected).abs().max() < 1e-12 * expected.abs().max()


def ways(model, x, y):
    """The names of the parameters by the way that their gradients are taken."""
    wanted = dict(model.named_parameters())
    found = plan.plan_of(model, wanted, x)
    return found, wanted.keys() - found.factored - found.vectorised - found.unused


@pytest.mark.parametrize("name", ["mlp", "cnn", "conv1d", "resnet20", "tied", "column"])
def test_known_layers_take_no_pass_of_their_own(name):
    model, x, y = networks.made(name)
    found, single = ways(model, x, y)
    assert found.factored == dict(model.named_parameters()).keys()
    assert not single


def test_what_torch_can_vectorise_is_not_asked_one_by_one():
    model, x, y = networks.made("transformer")
    found, single = ways(model, x, y)
    assert {"places", "blocks.layers.0.self_attn.in_proj_weight"} <= found.vectorised
    assert "blocks.layers.0.linear1.weight" in found.factored
    assert not single


def test_a_weight_that_is_used_by_a_function_too_is_not_taken_from_its_layer_alone():
    model, x, y = networks.made("tied by a function")
    assert "words.weight" not in ways(model, x, y)[0].factored


def test_records_for_which_the_model_takes_another_way_are_asked_one_by_one():
    torch.manual_seed(0)
    model, x, y = networks.Ranks(), torch.randn(40, 5), torch.randint(3, (40,))
    x[39] = 10
    expected = networks.single_passes(model, x, y, list(model.parameters()))
    assert "first.weight" in ways(model, x[:9], y)[0].factored
    near(signals.gradients(model, x, y), expected)


def test_one_record_has_the_gradient_that_it_has_among_others():
    model, x, y = networks.made("cnn")
    near(signals.gradients(model, x[4:5], y[4:5]), signals.gradients(model, x, y)[4:5])


@pytest.mark.parametrize("of", ["last", 2, "3", "3.weight", ("3.bias", "0.weight"), (1, "last"), "all"])
def test_the_chosen_parameters_come_in_the_order_of_their_names(of):
    model, x, y = networks.made("mlp")
    names = {
        "last": ["3.weight", "3.bias"],
        2: ["3.weight", "3.bias"],
        "3": ["3.weight", "3.bias"],
        "3.weight": ["3.weight"],
        ("3.bias", "0.weight"): ["0.weight", "3.bias"],
    }.get(of, ["0.weight", "0.bias", "3.weight", "3.bias"])
    expected = networks.single_passes(model, x, y, [model.get_parameter(name) for name in names])
    near(signals.gradients(model, x, y, of=of), expected)
    near(signals.gradient_norm(model, x, y, of=of), expected.norm(dim=1))


def test_a_layer_that_is_not_there_is_answered_with_those_that_are():
    model, x, y = networks.made("mlp")
    with pytest.raises(InputError, match=r"There is no layer with parameters 3\. Choose from: 1 `0` \(Linear\), 2 `3`"):
        signals.gradient_norm(model, x, y, of=3)
    with pytest.raises(InputError, match=r"must name something with parameters, found '1'.*1 `0`"):
        signals.gradient_norm(model, x, y, of="1")


def test_frozen_parameters_are_left_out_unless_they_are_named_or_all_are_frozen():
    model, x, y = networks.made("mlp")
    everything = signals.gradients(model, x, y)
    model[0].requires_grad_(False)
    near(signals.gradients(model, x, y), everything[:, 48:])
    near(signals.gradients(model, x, y, of=("0", "3")), everything)
    model.requires_grad_(False)
    near(signals.gradients(model, x, y), everything)
    assert not any(p.requires_grad for p in model.parameters())


def state(model):
    return [(p.requires_grad, p.grad) for p in model.parameters()], [part.training for part in model.modules()]


def hooks(model):
    return [len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules()]


@pytest.mark.parametrize("failing", [False, True])
@pytest.mark.parametrize("signal", [signals.gradients, signals.gradient_norm, partial(signals.activations, of=1)])
def test_the_model_is_left_as_it_was_also_by_an_error(signal, failing):
    model, x, y = networks.made("tied by a function")
    model.train()
    model.mix.eval()
    model.mix.requires_grad_(False)
    model.head.weight.grad = torch.ones_like(model.head.weight)
    before, counted = state(model), hooks(model)
    weights = copy.deepcopy(model.state_dict())
    rng = torch.get_rng_state()
    if failing:
        with pytest.raises(IndexError):
            signal(model, torch.full_like(x, 99), y)
    else:
        signal(model, x, y)
    assert state(model) == before
    assert hooks(model) == counted
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), rng)


def test_dropout_draws_nothing_in_a_model_that_is_in_training_mode():
    model, x, y = networks.made("mlp")
    expected = signals.gradients(model, x, y)
    assert torch.equal(signals.gradients(model.train(), x, y), expected)


def test_they_are_read_where_no_gradients_are_recorded():
    model, x, y = networks.made("lstm")
    expected = signals.gradient_norm(model, x, y)
    with torch.inference_mode():
        x = x.clone()
        found = signals.gradient_norm(model, x, y)
    near(found.clone(), expected)


def test_the_gradient_of_a_record_that_is_fitted_to_all_digits_does_not_vanish():
    """The squares of such numbers are zero in float32."""
    model, x, y = networks.made("mlp")
    with torch.no_grad():
        model[3].weight *= 1e-3
        model[3].bias.copy_(torch.tensor([60.0, 0.0, 0.0]))
    y = torch.zeros_like(y)
    norm = signals.gradient_norm(model, x, y)
    assert 0 < norm.min() < norm.max() < 1e-24
    near(norm, networks.single_passes(model.double(), x.double(), y, list(model.parameters())).norm(dim=1))
    assert torch.equal(signals.log_gradient_norm(model.float(), x, y), norm.log())


def test_a_gradient_of_zero_has_a_logarithm():
    model, x, y = networks.made("mlp")
    with torch.no_grad():
        model[3].weight.zero_()
        model[3].bias.copy_(torch.tensor([1e5, 0.0, 0.0]))
    log = signals.log_gradient_norm(model, x, torch.zeros_like(y))
    assert log.isfinite().all()
    assert (log < -700).all()


@pytest.mark.parametrize("kind", ["labels", "quantity"])
def test_labels_of_other_kinds_have_gradients_too(kind):
    model, x, y = networks.made("mlp")
    y = networks.numbers(3) if kind == "quantity" else networks.numbers(3) > 0
    near(signals.gradients(model, x, y), networks.single_passes(model, x, y, list(model.parameters())))


def test_a_quantity_that_comes_without_an_axis_has_a_gradient_too():
    model, x, _ = networks.made("mlp")
    model.append(nn.Linear(3, 1)).append(nn.Flatten(0))
    y = networks.numbers()
    near(signals.gradients(model, x, y), networks.single_passes(model, x, y, list(model.parameters())))


@pytest.mark.parametrize("inside", [False, True])
def test_a_compiled_model_has_the_gradients_and_the_layers_of_the_plain_one(inside):
    model, x, y = networks.made("mlp")
    expected = signals.gradients(model, x, y), signals.activations(model, x, y, of=1)
    if inside:
        model.compile(backend="eager")
    else:
        model = torch.compile(model, backend="eager")
    with torch.no_grad():
        model(x)
    found = signals.gradients(model, x, y), signals.activations(model, x, y, of=1)
    torch.testing.assert_close(found, expected)


def test_parts_of_another_precision_are_taken_as_they_are():
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.low, self.high = nn.Linear(5, 8).bfloat16(), nn.Linear(8, 3).double()

        def forward(self, x):
            return self.high(self.low(x.bfloat16()).double())

    torch.manual_seed(0)
    model, x, y = Mixed(), networks.numbers(5), torch.arange(11) % 3
    expected = networks.single_passes(model, x, y, list(model.parameters()))
    found = signals.gradients(model, x, y)
    assert ((found - expected).norm(dim=1) < 0.02 * expected.norm(dim=1)).all()  # the passes themselves are that coarse
    near(found[:, 48:], expected[:, 48:])


def test_a_part_that_the_answer_does_not_hang_on_has_a_gradient_of_zero():
    class Spare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.spare, self.head = nn.Linear(4, 4), nn.Linear(5, 3)

        def forward(self, x):
            return self.head(x)

    model, x, y = Spare(), networks.numbers(5), torch.arange(11) % 3
    assert (signals.gradients(model, x, y)[:, :20] == 0).all()
    assert torch.equal(signals.gradient_norm(model, x, y), signals.gradient_norm(model, x, y, of="head"))
    with pytest.raises(InputError, match="must follow from the chosen parameters"):
        signals.gradient_norm(model, x, y, of="spare")


def test_what_answers_without_being_a_module_is_refused():
    with pytest.raises(InputError, match=r"need the model itself, as a `torch\.nn\.Module`, found a function"):
        signals.gradient_norm(lambda x: x, networks.numbers(3), torch.arange(11) % 3)
    with pytest.raises(InputError, match="parameters that are floats, found none in a Flatten"):
        signals.gradient_norm(nn.Flatten(), networks.numbers(3), torch.arange(11) % 3)


def test_the_outer_product_of_the_factors_is_the_gradient_of_the_weight():
    model, x, y = networks.made("mlp")
    factors = signals.gradient_factors(model, x, y, of="last")
    by_output, into = factors[:, :3], factors[:, 3:]
    product = (by_output[:, :, None] * into[:, None]).flatten(1)
    near(product, networks.single_passes(model, x, y, [model[3].weight]))


def test_a_layer_that_sees_a_record_in_several_rows_has_no_two_factors():
    model, x, y = networks.made("tied")
    with pytest.raises(InputError, match="where a linear layer sees each record once, as one row; layer 'mix'"):
        signals.gradient_factors(model, x, y, of="mix")
    model, x, y = networks.made("cnn")
    with pytest.raises(InputError, match="layer 1, a Conv2d, does not"):
        signals.gradient_factors(model, x, y, of=1)


@pytest.mark.parametrize("name", ["mlp", "cnn", "lstm", "transformer"])
def test_no_part_of_the_records_is_larger_than_the_memory_allows(name, monkeypatch):
    model, x, y = networks.made(name)
    whole = signals.gradients(model, x, y)
    monkeypatch.setattr(gradient, "_BYTES", 1)
    most = 0

    def note(part, args):
        nonlocal most
        most = max(most, len(args[0]))

    handle = model.register_forward_pre_hook(note)
    near(signals.gradients(model, x, y), whole)
    handle.remove()
    assert most == 1


def test_a_part_that_does_not_fit_into_memory_is_halved(monkeypatch):
    model, x, y = networks.made("mlp")
    whole, real, tried = signals.gradient_norm(model, x, y), passes.recorded, []

    def narrow(model, layers, x):
        tried.append(len(x))
        if len(x) > 3:
            raise torch.OutOfMemoryError
        return real(model, layers, x)

    monkeypatch.setattr(passes, "recorded", narrow)
    near(signals.gradient_norm(model, x, y), whole)
    assert tried[:3] == [11, 5, 2]


def test_a_model_is_not_kept_alive_by_what_is_known_of_it():
    model, x, y = networks.made("mlp")
    signals.gradient_norm(model, x, y)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_a_layer_that_was_replaced_is_planned_anew():
    model, x, y = networks.made("mlp")
    signals.gradient_norm(model, x, y)
    model[0] = nn.Sequential(nn.Linear(5, 4), nn.Linear(4, 8))
    near(signals.gradients(model, x, y), networks.single_passes(model, x, y, list(model.parameters())))


def test_a_layer_whose_answer_is_changed_afterwards_is_not_taken_for_what_it_was():
    """By a hook of the user's: then the factors are not those of the weight."""
    model, x, y = networks.made("mlp")
    model[0].register_forward_hook(lambda part, args, out: 3 * out)
    near(signals.gradients(model, x, y), networks.single_passes(model, x, y, list(model.parameters())))


def test_a_module_whose_records_hang_on_each_other_is_refused():
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4, track_running_stats=False), nn.Linear(4, 3))
    with pytest.raises(InputError, match=r"`1`.*mixes the records of a batch"):
        signals.gradient_norm(model, networks.numbers(5), torch.arange(11) % 3)


@pytest.mark.parametrize("kind", ["scripted", "exported"])
def test_models_that_arrive_as_programs_have_gradients(kind):
    from ml_privacy_meter.targets import open_model

    model, x, y = networks.made("mlp")
    expected = networks.single_passes(model, x, y, list(model.parameters()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "scripted":
            opened = open_model(torch.jit.script(model)).inner
        else:
            opened = open_model(torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim.AUTO},))).inner
        near(signals.gradients(opened, x, y), expected)
        near(signals.gradient_norm(opened, x, y), expected.norm(dim=1))


def test_a_signal_keeps_its_sign_whatever_its_settings():
    assert sign_of(signals.gradient_norm) == sign_of(signals.log_gradient_norm) == sign_of(signals.loss) == -1
    assert sign_of(partial(partial(signals.gradient_norm, of="last"))) == -1
    assert sign_of(signals.logit_gap) == sign_of(lambda model, x, y: model(x)) == 1
    turned = partial(signals.gradient_norm, of="last")
    turned.sign = 1
    assert sign_of(turned) == 1


@pytest.fixture
def records():
    _, x, y = networks.made("mlp")
    return replace(worlds.records(x, y), key="these records")


def test_a_threshold_on_the_norm_says_member_where_it_is_small(records):
    model, x, y = networks.made("mlp")
    signal = partial(signals.gradient_norm, of="last")
    view = View(model, records, Reader(Store()))
    near(threshold(view, signal=signal), -signals.gradient_norm(model, x, y, of="last"))


def test_two_settings_are_kept_apart_and_on_disk(records, tmp_path):
    model, x, y = networks.made("mlp")
    model.key = "this model"
    for of in ("last", ("0.weight", "3.bias")):
        signal = partial(signals.gradient_norm, of=of)
        found = Reader(Store(tmp_path), device="cpu").signal(signal, model, records)
        near(found, signals.gradient_norm(model, x, y, of=of))
    assert len(list(tmp_path.glob("*.rows"))) == 2


def test_each_signal_says_that_it_needs_the_weights():
    for signal in (signals.gradient_norm, signals.gradients, signals.gradient_factors, signals.activations):
        assert signal.access == "parameters"
    assert signals.log_gradient_norm.access == "parameters"
    assert not hasattr(signals.loss, "access")


@pytest.mark.parametrize(("name", "way"), [("cnn", "products"), ("resnet20", "products"), ("cnn", "pairs")])
def test_norms_of_convolutions_hang_on_no_other_record_of_their_block(name, way, monkeypatch):
    model, x, y = networks.made(name)
    monkeypatch.setattr(ghost, "_by_pairs", lambda use: way == "pairs" and not use.layer.transposed)
    expected = networks.single_passes(model, x, y, list(model.parameters())).norm(dim=1)
    sizes = []
    whole = ghost._square_of_filters
    monkeypatch.setattr(ghost, "_square_of_filters", lambda use: sizes.append(len(use.b)) or whole(use))
    for block in (1, 2**13):
        monkeypatch.setattr(ghost, "_BLOCK", block)
        near(signals.gradient_norm(model, x, y), expected)
    assert min(sizes) == 1 < max(sizes)


def test_a_norm_is_never_less_than_that_of_a_part():
    model, x, y = networks.made("resnet20")
    parts = [signals.gradient_norm(model, x, y, of=i) for i in range(1, len(signals.trainable(model)) + 1)]
    near(torch.stack(parts).square().sum(0).sqrt(), signals.gradient_norm(model, x, y))
    assert math.isfinite(float(np.sum([part.sum() for part in parts])))


def test_a_model_that_was_cast_is_planned_anew():
    model, x, y = networks.made("cnn")
    signals.gradients(model, x, y)
    expected = networks.single_passes(model.double(), x.double(), y, list(model.parameters()))
    assert (signals.gradients(model, x.double(), y) - expected).abs().max() < 1e-12 * expected.abs().max()
