"""Models that an adversary fits to answers: the same stand for what is learned without the model, from true labels."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.extraction.game import Answers, Copy, Points

HIDDEN = 64
STEPS = 100
DECAY = 1e-4


@dataclass(frozen=True)
class Linear:
    """A linear model of quantities, or a softmax regression, of which only differences between classes count.

    Args:
        classes: it answers with probabilities.
    """

    weight: Float[Tensor, "features outputs"]
    bias: Float[Tensor, " outputs"]
    classes: bool

    def __call__(self, points: Points) -> Answers:
        said = points @ self.weight + self.bias
        return said.softmax(1) if self.classes else said


def network(points: Points, answers: Answers, seed: int, *, classes: bool = True) -> Copy:
    """A network with one hidden layer of 64, fitted to probabilities of classes, or to quantities."""
    rng = torch.Generator().manual_seed(seed)
    wide, out = points.shape[1], answers.shape[1]
    first, last = (torch.randn(a, b, generator=rng) for a, b in ((wide, HIDDEN), (HIDDEN, out)))
    sizes = math.sqrt(2 / wide), math.sqrt(1 / HIDDEN)
    weights = [first * sizes[0], torch.zeros(HIDDEN), last * sizes[1], torch.zeros(out)]
    centre, scale = points.mean(0), _scale(points)
    middle, spread = _level(answers, classes)

    def answer(z: Tensor) -> Tensor:
        return torch.relu(z @ weights[0] + weights[1]) @ weights[2] + weights[3]

    _fit(weights, answer, (points - centre) / scale, (answers - middle) / spread, classes)

    @torch.no_grad()
    def copy(asked: Points) -> Answers:
        said = answer(((asked - centre) / scale).float()).double()
        return said.softmax(1) if classes else said * spread + middle

    return copy


def linear(points: Points, answers: Answers, seed: int, *, classes: bool = True) -> Linear:
    """A softmax regression fitted to probabilities of classes, or a linear model to quantities; it draws nothing."""
    weights = [torch.zeros(points.shape[1], answers.shape[1]), torch.zeros(answers.shape[1])]
    centre, scale = points.mean(0), _scale(points)
    middle, spread = _level(answers, classes)
    wanted = (answers - middle) / spread
    _fit(weights, lambda z: z @ weights[0] + weights[1], (points - centre) / scale, wanted, classes)
    weight, bias = (part.detach().double() * spread for part in weights)
    weight = weight / scale[:, None]
    return Linear(weight, bias + middle - centre @ weight, classes)


def tree(points: Points, answers: Answers, seed: int, *, classes: bool = True) -> Copy:
    """A decision tree fitted to probabilities of classes or to quantities, until each leaf holds equal answers."""
    from sklearn.tree import DecisionTreeRegressor

    fitted = DecisionTreeRegressor(random_state=seed).fit(points.numpy(), answers.numpy())
    return lambda asked: torch.from_numpy(fitted.predict(asked.numpy())).reshape(len(asked), -1)


def _fit(weights: list[Tensor], of: Callable[[Tensor], Tensor], z: Tensor, wanted: Tensor, classes: bool) -> None:
    """Fits weights by L-BFGS in float32, with a little weight decay, to points and answers that lie on one scale."""
    for weight in weights:
        weight.requires_grad_()
    z, wanted = z.float(), wanted.float()
    steps = torch.optim.LBFGS(weights, max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        steps.zero_grad()
        said = of(z)
        found = F.cross_entropy(said, wanted) if classes else F.mse_loss(said, wanted)
        found = found + DECAY * sum(weight.square().sum() for weight in weights[::2])
        found.backward()  # type: ignore[no-untyped-call]
        return found

    steps.step(loss)  # type: ignore[no-untyped-call]


def _level(answers: Answers, classes: bool) -> tuple[Tensor, Tensor]:
    """What quantities are moved and divided by, so that they lie on one scale; probabilities stay as they are."""
    one = torch.ones(answers.shape[1], dtype=torch.float64)
    return (0 * one, one) if classes else (answers.mean(0), _scale(answers))


def _scale(numbers: Tensor) -> Tensor:
    spread = numbers.std(0, correction=0)
    return torch.where(spread > 1e-8, spread, 1.0)
