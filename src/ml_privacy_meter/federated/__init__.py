"""Federated training on one machine, kept as a trace: splits of records, the loop, and what helps against its leaks."""

from ml_privacy_meter.federated import flower
from ml_privacy_meter.federated.loop import FEDAVG, federate, fedsgd
from ml_privacy_meter.federated.moments import global_models
from ml_privacy_meter.federated.remedies import (
    Kept,
    Remedy,
    central_dp,
    clipped_updates,
    local_dp,
    noisy_updates,
    pruned_updates,
)
from ml_privacy_meter.federated.split import dirichlet, iid

__all__ = [
    "FEDAVG",
    "Kept",
    "Remedy",
    "central_dp",
    "clipped_updates",
    "dirichlet",
    "federate",
    "fedsgd",
    "flower",
    "global_models",
    "iid",
    "local_dp",
    "noisy_updates",
    "pruned_updates",
]
