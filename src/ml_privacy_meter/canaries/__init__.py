"""Canaries: what is hidden in a training by the toss of a coin, to see whether it can be told from what came out."""

from ml_privacy_meter.canaries.gradients import GradientCanaries
from ml_privacy_meter.canaries.planted import Planted, plant
from ml_privacy_meter.canaries.saved import load_scores, save_scores
from ml_privacy_meter.canaries.texts import TextCanaries, TextCanary, insert_texts, load_texts, make_texts

__all__ = [
    "GradientCanaries",
    "Planted",
    "TextCanaries",
    "TextCanary",
    "insert_texts",
    "load_scores",
    "load_texts",
    "make_texts",
    "plant",
    "save_scores",
]
