"""The weights of a linear model, as the solution of equations."""

import torch
from jaxtyping import Bool
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.extraction.game import Answers, Copy, Points, View
from ml_privacy_meter.extraction.learners import Linear

SPREAD = 1.5  # of the logits that later queries aim at: where rounding blurs a logit least, and queries tell much
NEVER = -30.0  # logit of a class that was never given beside the likeliest
CLIPPED = 1e-100  # a probability below is one that was rounded to 0


def solve_linear(view: View) -> Copy:
    """The linear model that answers as the target did: one equation a query, as many queries as weights of one output.

    Where there are more queries than that, or answers are rounded, the equations are solved in the least-squares sense,
    each weighted by how much rounding can blur it; answers that were rounded to 0 or 1 give none. Whether the target
    is linear the adversary guesses.

    Sees: answers to its queries as probabilities or quantities, and how widely public records are spread.

    Source: Tramer et al., Stealing Machine Learning Models via Prediction APIs, USENIX Security 2016, section 4.1.
    Departure: the first queries lie one standard deviation from the mean record, a feature at a time, and the others go
    all ways at once, so far that logits become about 1.5: queries at random have logits that rounding blurs. Fewer
    queries than weights are spent on public records, and the smallest weights that fit are taken.
    """
    if not view.soft:
        raise InputError("`solve_linear` needs probabilities or quantities; this target answers with labels alone.")
    scale = view.pool.std(0, correction=0)
    scale = torch.where(scale > 0, scale, torch.where(view.high > view.low, view.high - view.low, 1.0))
    scale = torch.where(view.whole, scale.clamp(min=1.0), scale)  # a shorter step would be rounded away
    for choice in view.choices:
        scale[list(choice)] = 2.0  # so that a step along a word says it
    centre = view.fits(view.pool.mean(0, keepdim=True))
    steps = torch.where(view.whole & (centre[0] + scale > view.high), -scale, scale)  # where there is room
    points = view.fits(centre + torch.cat([torch.zeros(1, len(scale)), torch.eye(len(scale))]) * steps)
    points = points if view.left >= len(points) else _public(view)
    answers = view.ask(points)
    if view.left:
        tells = not view.classes or bool(_uncertain(answers).any())
        first = _solved(view, points, answers, centre, scale) if tells else None
        further = _public(view) if first is None else _further(view, first, centre, scale)
        points, answers = torch.cat([points, further]), torch.cat([answers, view.ask(further)])
    return _solved(view, points, answers, centre, scale)


def _public(view: View) -> Points:
    """Public records, as many as may be asked about."""
    rng = torch.Generator().manual_seed(view.seed)
    return view.pool[torch.randperm(len(view.pool), generator=rng)[: view.left]]


def _further(view: View, first: Linear, centre: Tensor, scale: Tensor) -> Points:
    """Points in all ways from the centre, so far that the model found first gives logits with a spread of 1.5."""
    rng = torch.Generator().manual_seed(view.seed)
    signs = torch.randint(2, (view.left, len(scale)), generator=rng).double() * 2 - 1
    steep = float((first.weight * scale[:, None]).norm(dim=0).max()) if view.classes else 0.0
    steps = scale * (SPREAD / steep if steep > 0 else 1.0)
    return view.fits(centre + signs * torch.where(view.whole, steps.clamp(min=1.0), steps))


def _solved(view: View, points: Points, answers: Answers, centre: Tensor, scale: Tensor) -> Linear:
    """The weights that solve the equations, from points brought to one scale, so that none outweighs another."""
    design = torch.cat([(points - centre) / scale, torch.ones(len(points), 1)], 1)
    found = _of_classes(design, answers) if view.classes else _least(design, answers)
    weight = found[:-1] / scale[:, None]
    return Linear(weight, found[-1] - (centre @ weight)[0], bool(view.classes))


def _of_classes(design: Tensor, answers: Answers) -> Tensor:
    """A column for each class: the logits less those of the first class."""
    some = answers > CLIPPED
    logs = torch.where(some, answers, 1.0).log()
    if not _uncertain(answers).any():
        raise InputError(
            "`solve_linear` needs probabilities; every answer was certain of one class, and gives no equation."
        )
    base = int(some.sum(0).double().add(answers.mean(0)).argmax())  # given most often; of these the likeliest
    columns = []
    for label in range(answers.shape[1]):
        use = some[:, label] & some[:, base]
        if not use.any():
            columns.append(NEVER * torch.eye(design.shape[1], dtype=design.dtype)[:, -1:])
            continue
        blur = (answers[use][:, [label, base]] ** -2).sum(1, keepdim=True).sqrt()  # in the log-odds, by rounding
        sure = (1 / blur).clamp(min=1e-6)
        log_odds = (logs[use, label] - logs[use, base])[:, None]
        columns.append(_least(design[use] * sure, log_odds * sure))
    found = torch.cat(columns, 1)
    return found - found[:, :1]


def _least(design: Tensor, wanted: Tensor) -> Tensor:
    """The smallest of the least-squares solutions."""
    found: Tensor = torch.linalg.lstsq(design, wanted, driver="gelsd").solution
    return found


def _uncertain(answers: Answers) -> Bool[Tensor, " points"]:
    """Which answers give more than one class a probability."""
    return (answers > CLIPPED).sum(1) > 1
