"""A model of one's own, fitted to what the target answers about noise."""

from ml_privacy_meter.extraction.game import Copy, View
from ml_privacy_meter.extraction.rounds import told


def uniform(view: View, *, soft: bool = True) -> Copy:
    """A model fitted to the target's answers about noise, drawn evenly between the bounds of each feature.

    Sees: answers to its queries, and the bounds of each feature; no record at all.

    Source: Tramer et al., Stealing Machine Learning Models via Prediction APIs, USENIX Security 2016, section 5:
    retraining with uniform queries.

    Args:
        soft: it is fitted to probabilities, where they are given; else to labels.
    """
    points = view.uniform(view.left)
    return view.learn(points, told(view, points, soft=soft), view.seed)
