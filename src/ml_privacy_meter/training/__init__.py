"""Reference models: which records each is trained on, how they are trained, kept and opened."""

from ml_privacy_meter.training.brought import load_outputs, own_references
from ml_privacy_meter.training.defense import Defense, PrivacySpent
from ml_privacy_meter.training.plan import Plan
from ml_privacy_meter.training.recipe import Recipe
from ml_privacy_meter.training.reference import Reference
from ml_privacy_meter.training.references import References, plan_references, train_model, train_references, trained_on
from ml_privacy_meter.training.tuned import fine_tune
from ml_privacy_meter.training.tuning import FineTuning

__all__ = [
    "Defense",
    "FineTuning",
    "Plan",
    "PrivacySpent",
    "Recipe",
    "Reference",
    "References",
    "fine_tune",
    "load_outputs",
    "own_references",
    "plan_references",
    "train_model",
    "train_references",
    "trained_on",
]
