"""Federated training as it was watched, round by round: what its server, its participants and outsiders saw."""

from ml_privacy_meter.traces.trace import EVERYONE, Round, Trace, Weights
from ml_privacy_meter.traces.writer import TraceWriter

__all__ = ["EVERYONE", "Round", "Trace", "TraceWriter", "Weights"]
