"""Can the model itself be copied? The challenger holds it and counts; the adversary is a function of its view."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import one_hot

from ml_privacy_meter._checks import InputError

Points = Float[Tensor, "points features"]
Answers = Float[Tensor, "points outputs"]
Copy = Callable[[Points], Answers]  # answers as the target does: probabilities of classes, or quantities
Learner = Callable[[Points, Answers, int], Copy]  # of points, what was answered, and a seed


class Door:
    """The only way to the model: it answers as to any outsider, counts each query, and closes when they are spent."""

    def __init__(self, serve: Copy, most: int) -> None:
        self._serve, self.most, self.asked = serve, most, 0

    def __call__(self, points: Points) -> Answers:
        if self.asked + len(points) > self.most:
            raise InputError(
                f"An attack may ask {self.most} times, and asked {self.asked + len(points)} times. Ask at most "
                "`view.left` times more."
            )
        self.asked += len(points)
        return self._serve(points) if len(points) else self._serve(points.new_zeros(1, points.shape[1]))[:0]


@dataclass(frozen=True)
class View:
    """All that the adversary may see who wants to copy a model: no weight of it, no answer that was not asked for.

    Args:
        door: answers queries.
        pool: public records, as rows of numbers; without labels, and without the target's answers.
        low, high: between which numbers each feature lies.
        whole: features that are whole numbers: others are rounded on their way, and kept
            within their bounds.
        classes: how many the target tells apart; 0: it answers with quantities.
        soft: the target answers with probabilities or quantities; else with labels, read as a probability of 1.
        decimals: after the point, that answers are rounded to; None: they are not.
        learn: fits a model of the adversary's own choice to answers.
        seed: of all that the adversary draws.
        choices: features of which exactly one is 1, those of a word each: the largest becomes it on its way.
    """

    door: Door
    pool: Points
    low: Float[Tensor, " features"]
    high: Float[Tensor, " features"]
    whole: Bool[Tensor, " features"]
    classes: int
    soft: bool
    decimals: int | None
    learn: Learner
    seed: int = 0
    choices: tuple[tuple[int, ...], ...] = ()

    @property
    def left(self) -> int:
        """How many more times it may be asked."""
        return self.door.most - self.door.asked

    def ask(self, points: Points) -> Answers:
        """What the target answers to each point: probabilities of all classes, or quantities."""
        return self.door(self.fits(points))

    def fits(self, points: Points) -> Points:
        """The nearest points that the target takes: whole numbers within their bounds, beyond which bytes wrap."""
        found = torch.where(self.whole, points.round().clamp(self.low, self.high), points)
        for choice in map(list, self.choices):
            found[:, choice] = one_hot(points[:, choice].argmax(1), len(choice)).to(found.dtype)
        return found

    def uniform(self, count: int) -> Points:
        """Points drawn evenly between the bounds of each feature, always the same."""
        rng = torch.Generator().manual_seed(self.seed)
        drawn = torch.rand(count, len(self.low), generator=rng, dtype=torch.float64)
        return self.fits(self.low + drawn * (self.high - self.low))


Attack = Callable[[View], Copy]


@dataclass(frozen=True)
class Held:
    """Points that copies are judged on, and that no adversary sees.

    Args:
        answers: what the target answers there.
        truth: the true answers, a probability of 1 for the class of each; None where there are none.
    """

    points: Points
    answers: Answers
    truth: Answers | None = None


@dataclass(frozen=True)
class Judged:
    """How a copy does.

    Args:
        agrees: whether it answers as the target does, for each point of each held set.
        right: whether it answers what is true, for each point of the sets that have a truth.
    """

    agrees: Mapping[str, Bool[Tensor, " points"]]
    right: Mapping[str, Bool[Tensor, " points"]]


@dataclass(frozen=True)
class Stolen:
    """What an attack came back with.

    Args:
        copy: the model that it made.
        queries: how many it asked.
    """

    copy: Copy
    queries: int
    judged: Judged


@dataclass(frozen=True)
class ExtractionGame:
    """The challenger.

    Args:
        serve: points -> what the target answers to outsiders.
        view: with a door that is never opened: each play has its own.
        held: by name.
        tolerance: how far two quantities may lie apart and count as equal; classes must be the same.
    """

    serve: Copy
    view: View
    held: Mapping[str, Held]
    tolerance: float = 0.0

    def play(self, attack: Attack, budget: int) -> Stolen:
        """Hands a view with so many queries, and nothing else, to the attack; judges the copy that comes back."""
        view = replace(self.view, door=Door(self.serve, budget))
        copy = attack(view)
        return Stolen(copy, view.door.asked, self.judge(copy))

    def judge(self, copy: Copy) -> Judged:
        """How any model does on the held points."""
        said = {name: self._said(copy, held) for name, held in self.held.items()}
        agrees = {name: self._same(said[name], held.answers) for name, held in self.held.items()}
        right = {n: self._same(said[n], held.truth) for n, held in self.held.items() if held.truth is not None}
        return Judged(agrees, right)

    def _said(self, copy: Copy, held: Held) -> Answers:
        said = torch.as_tensor(copy(held.points)).double()
        if said.shape != held.answers.shape or not said.isfinite().all():
            raise InputError(
                f"A copy must answer {len(held.points)} points with finite numbers of the shape "
                f"{tuple(held.answers.shape)}, found {tuple(said.shape)}."
            )
        return said

    def _same(self, one: Answers, other: Answers) -> Bool[Tensor, " points"]:
        if self.view.classes:
            return one.argmax(1) == other.argmax(1)
        return ((one - other).abs() <= self.tolerance).all(1)
