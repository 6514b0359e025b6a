"""What a model can arrive as: `open_model` opens it, `fit` sets it beside records."""

from ml_privacy_meter.targets.decoder import Decoder
from ml_privacy_meter.targets.fit import fit
from ml_privacy_meter.targets.labels import fit_labels
from ml_privacy_meter.targets.language import LanguageModel, Scored, Tokenizer
from ml_privacy_meter.targets.open import as_saved, open_model
from ml_privacy_meter.targets.reading import Reading, reading_of
from ml_privacy_meter.targets.target import Opened, Target

__all__ = [
    "Decoder",
    "LanguageModel",
    "Opened",
    "Reading",
    "Scored",
    "Target",
    "Tokenizer",
    "as_saved",
    "fit",
    "fit_labels",
    "open_model",
    "reading_of",
]
