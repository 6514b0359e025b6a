"""Which world's shadows answer most like the model?"""

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.property.worlds import WorldsView


def kl(view: WorldsView) -> Float[Tensor, "victims worlds"]:
    """How often a shadow of a world is nearer to the model than one of another world, in [0, 1].

    Near is a small Kullback-Leibler divergence of the model's answers from the shadow's, in the mean over questions.

    Sees: the probabilities that the model gives for records of the adversary's own, models that it trained itself, and
    which world each of them is of.

    Source: Suri, Lu, Chen and Evans, Dissecting Distribution Inference, SaTML 2023, section III. Departure: nothing is
    scaled by what other victims answer.
    """
    ours, own = view.victims.logits.log_softmax(2).flatten(1), view.shadows.logits.log_softmax(2).flatten(1)
    far = (own.exp() * own).sum(1) - ours @ own.exp().T  # (victims, shadows), times the number of questions
    sides = [far[:, view.world == world] for world in range(len(view.shares))]

    def wins(one: Tensor, other: Tensor) -> Tensor:
        gap = other[:, None, :] - one[:, :, None]
        return ((gap > 0).double() + 0.5 * (gap == 0).double()).mean((1, 2))

    return torch.stack(
        [torch.stack([wins(a, b) for j, b in enumerate(sides) if j != i]).mean(0) for i, a in enumerate(sides)], 1
    )
