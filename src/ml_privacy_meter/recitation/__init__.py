"""What a language model recites of its training texts; how far canaries in them are exposed."""

from ml_privacy_meter.recitation.chances import log_once, log_tries
from ml_privacy_meter.recitation.compared import Beside, Figure
from ml_privacy_meter.recitation.exposure import Exposure, Level, exposure
from ml_privacy_meter.recitation.personal import Piece, patterns, presidio
from ml_privacy_meter.recitation.play import recite
from ml_privacy_meter.recitation.result import Copied, Curve, Recitation, Recited
from ml_privacy_meter.recitation.secrets import Exposed

__all__ = [
    "Beside",
    "Copied",
    "Curve",
    "Exposed",
    "Exposure",
    "Figure",
    "Level",
    "Piece",
    "Recitation",
    "Recited",
    "exposure",
    "log_once",
    "log_tries",
    "patterns",
    "presidio",
    "recite",
]
