"""Quantifies what a trained model reveals about the records it was trained on."""

from ml_privacy_meter import (
    attack,
    attribute,
    canaries,
    claims,
    clients,
    defenses,
    encoding,
    extraction,
    federated,
    guarantees,
    membership,
    monitoring,
    property,
    recitation,
    reconstruction,
    risk,
    signals,
    source,
    synthetic,
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
from ml_privacy_meter.games import Game
from ml_privacy_meter.inferring.alone import report_games
from ml_privacy_meter.inferring.attributes import infer_attributes
from ml_privacy_meter.inferring.classes import reconstruct_classes
from ml_privacy_meter.inferring.copies import extract_model
from ml_privacy_meter.inferring.encoded import find_encoded
from ml_privacy_meter.inferring.memories import memorized
from ml_privacy_meter.inferring.properties import infer_properties
from ml_privacy_meter.inferring.records import reconstruct_records
from ml_privacy_meter.inferring.synthetic import audit_synthetic
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
    "Game",
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
    "attribute",
    "audit",
    "audit_dp",
    "audit_synthetic",
    "canaries",
    "claims",
    "clients",
    "compare",
    "dataset_usage",
    "defend",
    "defenses",
    "encoding",
    "exposure",
    "extract_model",
    "extraction",
    "federated",
    "find_encoded",
    "fine_tune",
    "guarantees",
    "infer_attributes",
    "infer_properties",
    "load_outputs",
    "load_records",
    "membership",
    "memorized",
    "monitoring",
    "open_model",
    "own_references",
    "property",
    "recitation",
    "recite",
    "reconstruct",
    "reconstruct_classes",
    "reconstruct_records",
    "reconstruction",
    "report_games",
    "risk",
    "signals",
    "source",
    "synthetic",
    "traces",
    "trackers",
    "train_model",
    "train_references",
    "utils",
]

__version__ = "0.1.0"
