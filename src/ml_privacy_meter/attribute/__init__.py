"""What is the hidden column of a record? The game, its view, one attack a file."""

from ml_privacy_meter.attribute.black_box import black_box
from ml_privacy_meter.attribute.csmia import csmia
from ml_privacy_meter.attribute.game import Answers, Attack, AttributeGame, Guesses, Known, View
from ml_privacy_meter.attribute.imputation import imputation
from ml_privacy_meter.attribute.imputation_times_model import imputation_times_model
from ml_privacy_meter.attribute.lomia import lomia
from ml_privacy_meter.attribute.neurons import neurons
from ml_privacy_meter.attribute.prior import prior
from ml_privacy_meter.attribute.yeom import yeom

__all__ = [
    "Answers",
    "Attack",
    "AttributeGame",
    "Guesses",
    "Known",
    "View",
    "black_box",
    "csmia",
    "imputation",
    "imputation_times_model",
    "lomia",
    "neurons",
    "prior",
    "yeom",
]
