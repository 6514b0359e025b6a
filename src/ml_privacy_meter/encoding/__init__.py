"""Training data hidden in a model by who trained it: ways to hide them, what detects these, and what removes them."""

from ml_privacy_meter.encoding.bits import as_bits, as_bytes, bit_error_rate, enciphered
from ml_privacy_meter.encoding.capacity import labels_of, made_up, read_answers
from ml_privacy_meter.encoding.correlated import correlation, correlation_penalty, read_correlated
from ml_privacy_meter.encoding.evenness import low_bits
from ml_privacy_meter.encoding.lsb import hide_in_low_bits, read_low_bits
from ml_privacy_meter.encoding.noise import sure_of_noise
from ml_privacy_meter.encoding.patterns import weight_patterns
from ml_privacy_meter.encoding.remedies import noised, pruned, rounded
from ml_privacy_meter.encoding.shapes import weight_spread
from ml_privacy_meter.encoding.signs import read_signs, sign_penalty
from ml_privacy_meter.encoding.trained import trained
from ml_privacy_meter.encoding.view import NOISE, Detector, Seen, View

__all__ = [
    "NOISE",
    "Detector",
    "Seen",
    "View",
    "as_bits",
    "as_bytes",
    "bit_error_rate",
    "correlation",
    "correlation_penalty",
    "enciphered",
    "hide_in_low_bits",
    "labels_of",
    "low_bits",
    "made_up",
    "noised",
    "pruned",
    "read_answers",
    "read_correlated",
    "read_low_bits",
    "read_signs",
    "rounded",
    "sign_penalty",
    "sure_of_noise",
    "trained",
    "weight_patterns",
    "weight_spread",
]
