"""Reference models: which records each is trained on, how they are trained, kept and opened."""

from ml_privacy_meter.training.brought import load_outputs, own_references
from ml_privacy_meter.training.defense import Defense, PrivacySpent
from ml_privacy_meter.training.plan import Plan
from ml_privacy_meter.training.recipe import Recipe
from ml_privacy_meter.training.references import Reference, References, plan_references, train_model, train_references

__all__ = [
    "Defense",
    "Plan",
    "PrivacySpent",
    "Recipe",
    "Reference",
    "References",
    "load_outputs",
    "own_references",
    "plan_references",
    "train_model",
    "train_references",
]
