"""How near the nearest synthetic record lies."""

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.synthetic.table import embedding, nearest
from ml_privacy_meter.synthetic.view import View


def distance_to_closest(view: View) -> Float[Tensor, " records"]:
    """Minus the distance to the nearest synthetic record, numbers standardised, a different word counting 1.

    Finds generators that copy. That it finds nothing is no guarantee: others leak without a copy.

    Sees: the whole records asked about, and the synthetic records.

    Source: Chen et al., GAN-Leaks: A Taxonomy of Membership Inference Attacks against Generative Models, CCS 2020, the
    attack on a generator of which only samples are seen; known as the distance to closest record.
    """
    embed = embedding(view.synthetic)
    away, _ = nearest(embed(view.synthetic), embed(view.asked))
    return torch.from_numpy(-away[:, 0])


def calibrated_distance(view: View) -> Float[Tensor, " records"]:
    """The distance to the nearest reference record less that to the nearest synthetic one.

    A record in a crowd lies near to everything; what counts is how much nearer the synthetic records are.

    Sees: the whole records asked about, the synthetic records, and real ones of the same source that did not train the
    generator.

    Source: Chen et al., GAN-Leaks, CCS 2020, where a reference generator stands for our reference records.
    """
    embed = embedding(view.synthetic, view.reference)
    asked = embed(view.asked)
    away, without = (nearest(embed(table), asked)[0][:, 0] for table in (view.synthetic, view.reference))
    return torch.from_numpy(without - away)
