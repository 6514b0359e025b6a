"""The likelihood of a model's answers to each question, by the shadows of each world."""

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.property.worlds import WorldsView


def per_point(view: WorldsView) -> Float[Tensor, "victims worlds"]:
    """The log-likelihood of the model's log-odds in each world, summed over questions, in nats.

    The log-odds of one question are taken to be normal, around the mean of each world's shadows and equally wide in
    all worlds.

    Sees: the probabilities that the model gives for records of the adversary's own, models that it trained itself, and
    which world each of them is of.

    Source: Suri, Lu, Chen and Evans, Dissecting Distribution Inference, SaTML 2023, section III. There
    questions vote, each by a threshold; here each weighs as much as its distance from the threshold says.
    """
    ours, own = view.victims.odds.flatten(1), view.shadows.odds.flatten(1)
    mean = torch.stack([own[view.world == world].mean(0) for world in range(len(view.shares))])
    spread = (own - mean[view.world]).square().mean(0)
    spread = spread + 0.01 * spread.mean() + 1e-12  # few shadows agree on some questions by luck
    return torch.stack([-((ours - one).square() / (2 * spread)).sum(1) for one in mean], 1)
