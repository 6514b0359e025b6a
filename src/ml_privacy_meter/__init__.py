"""Quantifies what a trained model reveals about the records it was trained on."""

from ml_privacy_meter import (
    attack,
    canaries,
    claims,
    clients,
    defenses,
    federated,
    guarantees,
    membership,
    monitoring,
    recitation,
    reconstruction,
    risk,
    signals,
    source,
    traces,
    trackers,
    utils,
)
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.audit import audit
from ml_privacy_meter.claims.play import audit_dp
from ml_privacy_meter.comparison import Comparison, compare
from ml_privacy_meter.defending import Defended, defend
from ml_privacy_meter.findings import Check, Finding, Group, Risk
from ml_privacy_meter.recitation import exposure, recite
from ml_privacy_meter.reconstructing import reconstruct
from ml_privacy_meter.records import as_records
from ml_privacy_meter.records import load as load_records
from ml_privacy_meter.report import Report
from ml_privacy_meter.targets import open_model
from ml_privacy_meter.training import (
    Defense,
    FineTuning,
    Recipe,
    References,
    fine_tune,
    load_outputs,
    own_references,
    train_model,
    train_references,
)
from ml_privacy_meter.types import Records, Scores, Signals
from ml_privacy_meter.usage import dataset_usage

__all__ = [
    "Check",
    "Comparison",
    "Defended",
    "Defense",
    "Finding",
    "FineTuning",
    "Group",
    "InputError",
    "Recipe",
    "Records",
    "References",
    "Report",
    "Risk",
    "Scores",
    "Signals",
    "as_records",
    "attack",
    "audit",
    "audit_dp",
    "canaries",
    "claims",
    "clients",
    "compare",
    "dataset_usage",
    "defend",
    "defenses",
    "exposure",
    "federated",
    "fine_tune",
    "guarantees",
    "load_outputs",
    "load_records",
    "membership",
    "monitoring",
    "open_model",
    "own_references",
    "recitation",
    "recite",
    "reconstruct",
    "reconstruction",
    "risk",
    "signals",
    "source",
    "traces",
    "trackers",
    "train_model",
    "train_references",
    "utils",
]

__version__ = "0.1.0"
