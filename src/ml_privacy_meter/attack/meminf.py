"""An attack network that learns from one model and is tested on another, by the names and defaults of 2020."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt64
from torch import Tensor

from ml_privacy_meter import targets
from ml_privacy_meter._checks import InputError, in_range, one_of
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.attack.outside import read_from_outside
from ml_privacy_meter.attack.results import Epochs, Results, check_name, save
from ml_privacy_meter.attack.testing import tested
from ml_privacy_meter.case import prepare
from ml_privacy_meter.membership import View
from ml_privacy_meter.membership.network import Part
from ml_privacy_meter.membership.networks import fit_networks
from ml_privacy_meter.membership.parts import Exploited
from ml_privacy_meter.signals import Reader, Store
from ml_privacy_meter.signals.layers import chosen, layer
from ml_privacy_meter.targets.keras import Keras
from ml_privacy_meter.types import Signal
from ml_privacy_meter.utils.attack_data import AttackData, Sides

__all__ = ["MemInf", "initialize"]

Which = Sequence[int | str] | np.ndarray | int | str

OPTIMIZERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {
    "adadelta": torch.optim.Adadelta,
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.AdamW,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}


@dataclass(frozen=True)
class Subject:
    """A model, and records of which some trained it."""

    opened: targets.Opened
    data: AttackData

    def sides(self, *, test: bool) -> Sides:
        """The records, in the order of axes that the model takes."""
        height, width, channels = self.data.input_shape if len(self.data.input_shape) == 3 else (0, 0, 0)
        takes = getattr(getattr(self.opened.inner, "model", None), "input_shape", (None,))
        last = isinstance(self.opened.inner, Keras) and tuple(takes[1:]) != (channels, height, width)
        return (self.data.load_test if test else self.data.load_train)(channels_last=last)


@dataclass(frozen=True)
class Trained:
    """Networks that have learned, as a judge of what is read off a model, and what they have learned from."""

    judge: Callable[[Sequence[Part]], Tensor]
    exploited: Exploited
    epochs: Epochs
    keys: UInt64[np.ndarray, " records"]
    says: str


class MemInf:
    """A membership inference attack with the weights at hand: `initialize` sets it up.

    Args:
        name: of the attack, and of the folder of its results.
        learned: what `train_attack` has found; None before.
    """

    def __init__(
        self, learns_on: Subject, judges: Subject, exploited: Exploited, *, name: str, folder: Path, **fitting: Any
    ) -> None:
        self.learns_on, self.judges, self.exploited = learns_on, judges, exploited
        self.name, self.folder, self.fitting = name, folder, fitting
        self.learned: Trained | None = None

    def train_attack(self) -> Epochs:
        """How the attack fared after each epoch on records that were held back from its training.

        It learns from the members and non-members that the adversary knows of the model it is trained on.
        """
        settings = dict(self.fitting)
        device, networks, seed = (settings.pop(name) for name in ("device", "networks", "seed"))
        sides = self.learns_on.sides(test=False)
        case = prepare(self.learns_on.opened, sides.members, sides.non_members, seed=seed)
        reader = Reader(Store(None), device=device)

        def read(signal: Signal) -> Tensor:
            return reader.signal(signal, case.target, case.everyone)

        exploited = read_from_outside(self.exploited, case.everyone.labels, read)
        parts = exploited.of(case.target, case.everyone.labels, read)
        curves: list[list[float]] = []

        def note(epoch: int, network: Any, accuracy: float) -> None:
            if epoch == 1:
                curves.append([])
            curves[-1].append(accuracy)

        judge = fit_networks(
            parts,
            case.member,
            plain=exploited.plain(),
            networks=networks,
            seed=seed,
            device=reader.device,
            each_epoch=note,
            **settings,
        )
        epochs = Epochs(tuple(map(tuple, curves)), networks)
        other = "another model" if self.judges.opened is not self.learns_on.opened else "the same model"
        says = f"{len(sides.members):,} members and {len(sides.non_members):,} non-members of {other}"
        self.learned = Trained(judge, exploited, epochs, sides.keys, says)
        return epochs

    def test_attack(self, *, features: bool = False, tensorboard: bool | None = None) -> Results:
        """What the attack finds on records that it has not learned from, saved in a new folder of its name.

        Args:
            features: whether the records themselves are saved too, ``m_features.npy`` and ``nm_features.npy``: these
                are raw data, perhaps of people.
            tensorboard: whether all is written for TensorBoard too; None: where that is installed.

        Raises:
            InputError: the attack has not been trained, too few records are left, or their model differs from the
                one that was learned from.
        """
        learned, sides = trained(self), self.judges.sides(test=True)
        settings = {key: self.fitting[key] for key in ("seed", "device")}
        report = tested(self.judges.opened, sides, [self.of_view()], learned.keys, **settings)
        return save(
            self.folder,
            self.name,
            report,
            epochs=learned.epochs,
            sides=sides,
            features=features,
            tensorboard=tensorboard,
        )

    def of_view(self) -> Any:
        """The trained attack, as a function of a `membership.View`."""
        learned = trained(self)
        exploited, inside = learned.exploited, bool(learned.exploited.layers or learned.exploited.gradients)

        def attack(view: View) -> Tensor:
            return learned.judge(exploited.of(view.target, view.records.labels, view.of_target))

        attack.__name__ = self.name
        attack.__doc__ = (
            f"Log-odds of membership, in nats, of an attack network that learned from {learned.says}.\n\n"
            f"Sees: The target model's {'weights' if inside else 'outputs'}, the record and its true label, and "
            f"{learned.says}, with labels."
        )
        vars(attack).update(access="parameters" if inside else "outputs")
        return attack


def initialize(
    target_train_model: Any,
    target_attack_model: Any,
    train_datahandler: AttackData,
    attack_datahandler: AttackData,
    device: str | None = None,
    optimizer: str = "adam",
    model_name: str = "whitebox1",
    layers_to_exploit: Which | None = None,
    gradients_to_exploit: Which | None = None,
    exploit_loss: bool = True,
    exploit_label: bool = True,
    learning_rate: float = 0.0001,
    epochs: int = 100,
    *,
    networks: int = 3,
    seed: int = 0,
    folder: str | Path = "logs",
) -> MemInf:
    """An attack network that is to learn from one model and to be tested on another, or on other records of the same.

    Source: Nasr, Shokri and Houmansadr, Comprehensive Privacy Analysis of Deep Learning, IEEE S&P 2019; the interface
    is that of ML Privacy Meter 1.0 (2020). The network is that of `membership.whitebox`, which says how it differs.

    Args:
        target_train_model: the model that the attack learns from: of PyTorch, of Keras, or whatever `open_model` takes.
        target_attack_model: the model that it is tested on; may be the same.
        train_datahandler: see `utils.attack_data`: members of the first model, and records that it never saw.
        attack_datahandler: the same of the second; what the attack has learned from is left out of the test.
        device: None takes a GPU where there is one.
        optimizer: "adam", or one of the others of 2020: "adadelta", "adagrad", "momentum", "rmsprop", "sgd". Their
            learning rates differ: what is small for one hardly moves another.
        model_name: of the attack, and of the folder of its results in ``folder``.
        layers_to_exploit: layers whose outputs are read: by number, the first of all layers is 1, or by name. A layer
            that gives the model's own answer is read as this: without the weights.
        gradients_to_exploit: layers by whose parameters the gradient of the loss is read: by number, the first layer
            with parameters is 1, or by name.
        exploit_loss: whether the loss is read. It is in any case where it follows: from the model's answer and label.
        networks: that are fitted, each with other records held back, and averaged.
        epochs: at most: a network that has not become better for 8 is finished.

    Raises:
        InputError: a model has no such layer (the message lists them), or a setting cannot be.
    """
    steps = OPTIMIZERS[one_of(str(optimizer).lower(), OPTIMIZERS, "optimizer")]
    in_range(0, math.inf, learning_rate=learning_rate)
    whole(1, epochs=epochs, networks=networks)
    whole(0, seed=seed)
    check_name(model_name)
    for handler in (train_datahandler, attack_datahandler):
        if not isinstance(handler, AttackData):
            raise InputError(f"A datahandler must come from `attack_data`, found a {type(handler).__name__}.")
    first = _opened(target_train_model)
    other = first if target_attack_model is target_train_model else _opened(target_attack_model)
    exploited = Exploited(
        _checked(first, other, layers_to_exploit, gradients=False),
        _checked(first, other, gradients_to_exploit, gradients=True),
        outputs=False,
        loss=exploit_loss,
        label=exploit_label,
    )
    if not (exploited.layers or exploited.gradients or exploit_loss):
        raise InputError("An attack must exploit a layer, a gradient or the loss, found none of them. Name one.")
    return MemInf(
        Subject(first, train_datahandler),
        Subject(other, attack_datahandler),
        exploited,
        name=model_name,
        folder=Path(folder),
        device=device or "auto",
        networks=networks,
        seed=seed,
        epochs=epochs,
        lr=learning_rate,
        optimizer=steps,
        batch_size=2 * train_datahandler.batch_size,
    )


def trained(attack: MemInf) -> Trained:
    """What an attack has learned.

    Raises:
        InputError: nothing yet.
    """
    if attack.learned is None:
        raise InputError(f"The attack `{attack.name}` must be trained first: call train_attack().")
    return attack.learned


def _opened(model: Any) -> targets.Opened:
    return model if isinstance(model, targets.Opened) else targets.open_model(model)


def _checked(first: targets.Opened, other: targets.Opened, which: Any, *, gradients: bool) -> tuple[int | str, ...]:
    """The layers, each of which both models have; one may be named alone."""
    several = isinstance(which, Iterable) and not isinstance(which, str)
    named = tuple(which) if several else () if which is None else (which,)
    named = tuple(int(one) if isinstance(one, np.integer) else one for one in named)
    for one in named:
        if not isinstance(one, int | str):
            raise InputError(f"A layer must be given by its number or its name, found {one!r:.80}.")
    for opened in (first, other):
        for one in named:
            if gradients and (isinstance(one, int) or one == "last"):
                chosen(opened.inner, (one,))
            elif one != "last":
                layer(opened.inner, one)
    return named
