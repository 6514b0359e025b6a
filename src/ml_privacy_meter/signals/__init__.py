"""What an adversary reads off one model for each record."""

from ml_privacy_meter.signals.activation import activations
from ml_privacy_meter.signals.classifier import correct, logit_gap, loss, true_probability
from ml_privacy_meter.signals.confidence import entropy, margin, modified_entropy, other_classes
from ml_privacy_meter.signals.gradient import gradient_factors, gradient_norm, gradients, log_gradient_norm
from ml_privacy_meter.signals.gradient_gap import gradient_gap, has_gradients
from ml_privacy_meter.signals.inputs import inputs
from ml_privacy_meter.signals.label_robustness import label_robustness
from ml_privacy_meter.signals.layers import layer, layers, trainable
from ml_privacy_meter.signals.reader import Reader
from ml_privacy_meter.signals.store import Store
from ml_privacy_meter.signals.texts import min_k, min_k_plus_plus
from ml_privacy_meter.signals.update import Moved, update_alignment
from ml_privacy_meter.types import OutputSignal

__all__ = [
    "Moved",
    "OutputSignal",
    "Reader",
    "Store",
    "activations",
    "correct",
    "entropy",
    "gradient_factors",
    "gradient_gap",
    "gradient_norm",
    "gradients",
    "has_gradients",
    "inputs",
    "label_robustness",
    "layer",
    "layers",
    "log_gradient_norm",
    "logit_gap",
    "loss",
    "margin",
    "min_k",
    "min_k_plus_plus",
    "modified_entropy",
    "other_classes",
    "trainable",
    "true_probability",
    "update_alignment",
]
