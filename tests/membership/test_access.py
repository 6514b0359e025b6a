from functools import partial

import pytest
import worlds
from torch import Tensor

from ml_privacy_meter import signals
from ml_privacy_meter.membership import (
    access,
    bavaria,
    influence,
    lira,
    rmia,
    sees_parameters,
    stacked,
    threshold,
    weights_read,
    whitebox,
)
from ml_privacy_meter.playing import play

LAST = partial(signals.gradient_norm, of="last")


@pytest.mark.parametrize(
    ("attack", "read"),
    [
        (partial(threshold, signal=signals.gradient_norm), "the gradients of all layers"),
        (partial(threshold, signal=LAST), "the gradients of the last layer"),
        (partial(lira, signal=partial(signals.log_gradient_norm, of=(1, 2))), "the gradients of chosen layers"),
        (partial(rmia, signal=signals.gradient_gap), "the gradients of all layers"),
        (partial(threshold, signal=partial(signals.activations, of=1)), "the outputs of chosen layers"),
        (
            partial(stacked, also=(bavaria, partial(threshold, signal=LAST), partial(threshold, signal=LAST))),
            "the gradients of the last layer",
        ),
    ],
)
def test_an_attack_that_is_given_the_weights_says_so_and_which(attack: partial[Tensor], read: str) -> None:
    assert access(attack) == "parameters"
    assert weights_read(attack) == read


OUTSIDE = partial(whitebox, layers=[], gradients=())


@pytest.mark.parametrize(
    "attack",
    [threshold, stacked, partial(lira, signal=signals.entropy), partial(stacked, also=(lira, OUTSIDE)), OUTSIDE],
)
def test_an_attack_on_outputs_reads_no_weights(attack: object) -> None:
    assert access(attack) == "outputs"
    assert weights_read(attack) == ""


def test_a_network_that_is_shown_one_thing_of_the_inside_reads_weights() -> None:
    for attack in (whitebox, partial(whitebox, layers=[]), partial(whitebox, layers=[], gradients=[1])):
        assert access(attack) == access(partial(stacked, also=(attack,))) == "parameters"


def test_a_strangers_attack_is_known_by_its_mark() -> None:
    @sees_parameters
    def theirs(view: object) -> None: ...

    assert access(theirs) == access(partial(theirs)) == access(influence) == "parameters"


def test_what_is_seen_is_told_by_the_signal_and_not_by_the_attack() -> None:
    game = worlds.leaky()
    seen = {
        attack: play(game, attack, []).sees
        for attack in (threshold, partial(threshold, signal=LAST), partial(threshold, signal=signals.gradient_norm))
    }
    outputs, last, whole = seen.values()
    assert outputs == "the target model's output for each record, and the record's true label."
    assert last == (
        "the target model's weights, of which the gradients of the last layer are read, and the record's true label."
    )
    assert whole == last.replace("the last layer", "all layers")
    says = play(game, partial(threshold, signal=LAST), []).says
    assert "L2 norm of the gradient" in says
    assert "partial(" not in says
