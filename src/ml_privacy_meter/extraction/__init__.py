"""Can the model itself be copied? The game, its view, one attack a file."""

from ml_privacy_meter.extraction.game import (
    Answers,
    Attack,
    Copy,
    Door,
    ExtractionGame,
    Held,
    Judged,
    Learner,
    Points,
    Stolen,
    View,
)
from ml_privacy_meter.extraction.k_center import k_center
from ml_privacy_meter.extraction.learners import Linear, linear, network, tree
from ml_privacy_meter.extraction.margin import margin
from ml_privacy_meter.extraction.random_records import random_records
from ml_privacy_meter.extraction.solve_linear import solve_linear
from ml_privacy_meter.extraction.trace_tree import Boxes, trace_tree
from ml_privacy_meter.extraction.uniform import uniform

__all__ = [
    "Answers",
    "Attack",
    "Boxes",
    "Copy",
    "Door",
    "ExtractionGame",
    "Held",
    "Judged",
    "Learner",
    "Linear",
    "Points",
    "Stolen",
    "View",
    "k_center",
    "linear",
    "margin",
    "network",
    "random_records",
    "solve_linear",
    "trace_tree",
    "tree",
    "uniform",
]
