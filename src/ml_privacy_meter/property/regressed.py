"""The share itself, by a regression learned from shadows of all worlds."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.property.worlds import WorldsView

PENALTIES = tuple(np.logspace(-1, 6, 15))


def regressed(view: WorldsView) -> Float[Tensor, " victims"]:
    """The share of records with the property, by a ridge regression on the model's log-odds.

    Sees: the probabilities that the model gives for records of the adversary's own, models that it trained itself, and
    which world each of them is of.

    Source: Suri and Evans, Formalizing and Estimating Distribution Inference Risks, PoPETs 2022, section 6.4, where a
    network on weights estimates the share. Departure: the penalty of a ridge on answers is chosen with each shadow left
    out in turn.
    """
    from sklearn.linear_model import RidgeCV

    own, ours = (models.odds.flatten(1).numpy() for models in (view.shadows, view.victims))
    centre, spread = own.mean(0), own.std(0).mean() + 1e-12
    share = np.array(view.shares)[view.world.numpy()]
    line = RidgeCV(PENALTIES).fit((own - centre) / spread, share)
    return torch.from_numpy(line.predict((ours - centre) / spread))
