"""A model of one's own, fitted to what the target answers about public records."""

from ml_privacy_meter.extraction.game import Copy, View
from ml_privacy_meter.extraction.rounds import in_rounds


def random_records(view: View, *, soft: bool = True) -> Copy:
    """A model fitted to the target's answers about public records, drawn at random.

    Sees: answers to its queries, and public records without labels.

    Source: Orekondy, Schiele and Fritz, Knockoff Nets: Stealing Functionality of Black-Box Models, CVPR 2019, its
    random strategy; with ``soft=False``, Correia-Silva et al., Copycat CNN, IJCNN 2018. The records may be of another
    distribution than the target's: they are whatever the pool holds.

    Args:
        soft: it is fitted to probabilities, where they are given; else to labels.
    """
    return in_rounds(view, None, rounds=1, soft=soft)
