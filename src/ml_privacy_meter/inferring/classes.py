"""What do the training records of a class look like? Played on a model with gradients, and measured."""

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ml_privacy_meter import reconstruction, targets
from ml_privacy_meter._checks import InputError, in_range, why
from ml_privacy_meter.findings import Check, Risk
from ml_privacy_meter.games import Game, Tried
from ml_privacy_meter.inferring.informed import Sets, as_records_of, sets
from ml_privacy_meter.inferring.reconstructed import named
from ml_privacy_meter.membership.describe import told
from ml_privacy_meter.reconstruction import ClassAttack, ClassGame, ClassView, Seen, invert_classes
from ml_privacy_meter.risk.likeness import Origin, median
from ml_privacy_meter.risk.rates import excess, excess_of_members, success

LEAST = 6  # classes: of fewer, to be closer in all of them may well be luck
EVERYTHING = 10**9


@dataclass(frozen=True)
class _Held:
    """What stands without the model, and which of it is likest to the members over all classes."""

    seen: dict[str, Seen]

    @property
    def best(self) -> str:
        return max(self.seen, key=lambda name: float(self.seen[name].members.mean()))


def reconstruct_classes(
    model: Any,
    members: Any,
    non_members: Any,
    *,
    public: Any = None,
    attacks: Sequence[ClassAttack | str] | None = None,
    span: Sequence[float] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    device: str = "auto",
) -> Game:
    """How like a class's training records somebody can make a record, who descends on the model's loss.

    Likeness is the correlation over features with the mean of the class's members. An independent model, trained here
    on public records, says besides whether it takes the record for the class; the target's own word counts for nothing.

    Args:
        public: labelled records of the same kind that the model was not trained on; None: half of the non-members.
        attacks: functions of a `reconstruction.ClassView`, or their names; None: `invert_classes` from noise and from
            the mean public record. A generative prior is ``partial(invert_classes, generator=G, latent=...)``.
        span: the least and the largest value that a feature can hold; None: as known records have it, tables by column.

    Raises:
        InputError: the model gives no gradients by its records, or something given cannot be used.
    """
    in_range(0, 1, confidence=confidence)
    rng = np.random.default_rng(seed)
    own = sets(model, members, non_members, public, secrets=EVERYTHING, span=span, rng=rng)
    game, judged = _game_of(own, seed, device)
    standard = (invert_classes, partial(invert_classes, start="mean"))
    played = named(attacks or standard, reconstruction, ("invert_classes",))
    seen = {"mean image": game.mean(), "class means": game.class_means(), "nearest record": game.nearest()}
    held = _Held({name: one for name, one in seen.items() if one is not None})
    tried = tuple(_tried(attack, game, held, confidence, len(played)) for attack in played)
    return _told(own, game, held, tried, judged, confidence, seed)


def _game_of(own: Sets, seed: int, device: str) -> tuple[ClassGame, Check]:
    if own.members.y.dtype != torch.int64 or not isinstance(own.target.inner, nn.Module):
        raise InputError(
            "Classes are inverted by gradients of a classifier, which takes the model itself as a `torch.nn.Module`, "
            f"and records with one class each; found {own.target.says}."
        )
    sides = [side.y for side in (own.members, own.controls)]
    classes = torch.tensor(sorted({*sides[0].tolist()} & {*sides[1].tolist()}))
    if not len(classes):
        raise InputError("No class has both members and non-members: nothing can be compared. Give some of one class.")
    means = [
        torch.stack([side.x[side.y == label].mean(0) for label in classes.tolist()])
        for side in (own.members, own.controls)
    ]
    view = ClassView(_answers(own, device), classes, own.public.x, own.public.y, own.range, seed)
    judge, check = _judge(own, classes, seed)
    return ClassGame(view, means[0], means[1], judge), check


def _answers(own: Sets, device: str) -> Callable[[Tensor], Tensor]:
    """Records as they are fed -> logits, through which gradients flow; the user's model is not touched."""
    on = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    opened = replace(own.opened, before=None, before_key="", classes=None)
    target, _, _ = targets.fit(opened, as_records_of(own.members), as_records_of(own.public))

    module = copy.deepcopy(target).to(on).eval().requires_grad_(False)
    dtype = next((weight.dtype for weight in module.parameters()), torch.float32)

    def answers(x: Tensor) -> Tensor:
        found: Tensor = module(x.to(on, dtype))
        return found.cpu()

    return answers


def _judge(own: Sets, classes: Tensor, seed: int) -> tuple[Callable[[Tensor], Tensor], Check]:
    """A network that was trained on public records alone, and how good it is."""
    from sklearn.neural_network import MLPClassifier

    def rows(x: Tensor) -> np.ndarray:
        numbers: np.ndarray = ((x.double() - own.range.low) / own.range.width).flatten(1).numpy()
        return numbers

    made = MLPClassifier((64,), max_iter=100, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it could be trained for longer
        made.fit(rows(own.public.x), own.public.y.numpy())

    def judge(x: Tensor) -> Tensor:
        return torch.from_numpy(made.predict(rows(x)))

    asked = torch.isin(own.controls.y, classes)
    right = float((judge(own.controls.x[asked]) == own.controls.y[asked]).double().mean())
    says = (
        f"The independent model, trained on {len(own.public)} public records, is right on {right:.0%} of non-members."
    )
    return judge, Check("Does the independent model know the classes?", right >= 0.7, says)


def _tried(attack: ClassAttack, game: ClassGame, held: _Held, confidence: float, k: int) -> Tried:
    words = told(attack)
    try:
        seen = game.play(attack)
    except Exception as problem:  # a stranger's attack must not cost the others
        return Tried(*words, failed=why(problem))
    best = held.seen[held.best]
    wins, losses = seen.members > best.members, best.members > seen.members
    both = (
        torch.cat([wins, seen.non_members > best.non_members]),
        torch.cat([losses, best.non_members > seen.non_members]),
    )
    side = torch.arange(2 * len(wins)) < len(wins)
    control = excess_of_members(*both, side, name="closer on members than on non-members", confidence=confidence)
    name = f"classes closer than {held.best}, less classes farther"
    found = excess(wins, losses, name=name, confidence=confidence)
    if k > 1:
        found = replace(found, surely=excess(wins, losses, name=name, confidence=1 - (1 - confidence) / k).low)
    if len(wins) < LEAST:
        found = Risk(
            name, None, -1.0, 1.0, 0.0, len(wins), note=f"It takes at least {LEAST} classes, found {len(wins)}."
        )
    return Tried(*words, risks=(*_figures(seen, best, confidence), control), excess=found)


def _figures(seen: Seen, best: Seen, confidence: float) -> tuple[Risk, ...]:
    """The figures of one record for each class."""
    origin = Origin(np.arange(len(seen.psnr)), np.arange(len(seen.psnr)))
    pairs = (
        ("correlation with members' mean", seen.members, best.members),
        ("correlation with non-members' mean", seen.non_members, best.non_members),
        ("PSNR to members' mean (dB)", seen.psnr, best.psnr),
        ("the model's own certainty", seen.sure, best.sure),
    )
    made = [median(name, a.numpy(), b.numpy(), origin, confidence=confidence) for name, a, b in pairs]
    agreed = float(best.agreed.double().mean())
    return (*made, success(seen.agreed, baseline=agreed, name="independent model agrees", confidence=confidence))


SAYS = {
    "mean image": "The mean of the public records, for every class alike.",
    "class means": "The mean of the public records of the class.",
    "nearest record": "The public record likest to the members' mean, chosen with it at hand.",
}


def _told(
    own: Sets, game: ClassGame, held: _Held, tried: tuple[Tried, ...], judged: Check, confidence: float, seed: int
) -> Game:
    like = {name: float(one.members.median()) for name, one in held.seen.items()}
    baselines = tuple(
        Tried(name, SAYS[name], "public records", _figures(one, one, confidence)) for name, one in held.seen.items()
    )
    reached = ", ".join(f"{name} {value:.2f}" for name, value in like.items())
    return Game(
        "inversion",
        "What do the training records of a class look like?",
        "The model with its gradients, the classes, and public records of the same kind.",
        f"Median correlation with the mean of a class's members: {reached}.",
        baselines,
        tried,
        _verdict(held, tried),
        secret="classes",
        checks=(judged,),
        notes=(
            "That the model is sure of a record says nothing: it was made so. Nor is a record that the independent "
            "model takes for the class like its training records: both may see the same few features.",
            "Classes whose records are all of one kind, such as one person's, may show that person to whoever has the "
            "mean of the class; of digits it shows what everybody knows.",
            f"Attacks are compared with `{held.best}`, the likest of what stands without the model.",
        ),
        how={
            "classes": game.view.classes.tolist(),
            "members": len(own.members),
            "non_members": len(own.controls),
            "public": len(own.public),
            "seed": seed,
        },
    )


def _verdict(held: _Held, tried: tuple[Tried, ...]) -> str:
    judged = [one for one in tried if one.excess is not None]
    if not judged:
        return "No attack ran to its end: nothing can be said."
    leaks = [one for one in judged if one.shows]
    best = max(leaks or judged, key=lambda one: one.risks[0].value or 0.0)
    reached, mean = best.risks[0].value, float(held.seen["mean image"].members.median())
    says = (
        f"The records of `{best.attack}` correlate with the mean of their class's members by {reached:.2f} (median "
        f"over classes), the mean public record by {mean:.2f}, `{held.best}` by {best.risks[0].baseline:.2f}."
    )
    if leaks:
        control = next(one for one in best.risks if one.name.startswith("closer on members"))
        more = "" if control.low > 0 else " That they are liker to members than to non-members is not shown."
        return f"The model shows what its classes look like. {says}{more}"
    if all(one.shows is None for one in judged):
        return f"Of so few classes nothing can be said: it takes {LEAST} with members and non-members. {says}"
    sure = best.risks[3].value or 0.0
    return (
        f"No leak was shown. {says} The model is sure of its records (median {sure:.2f}), yet they are not surely "
        "liker the class than what stands without it. Other attacks, with a generator of such records, may reach more."
    )
