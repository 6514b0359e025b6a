"""Canaries: what is hidden in a training by the toss of a coin, to see whether it can be told from what came out."""

from ml_privacy_meter.canaries.gradients import GradientCanaries
from ml_privacy_meter.canaries.planted import Planted, plant
from ml_privacy_meter.canaries.saved import load_scores, save_scores

__all__ = ["GradientCanaries", "Planted", "load_scores", "plant", "save_scores"]
