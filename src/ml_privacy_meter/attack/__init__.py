"""The interface of the original ML Privacy Meter (2020), on top of this one."""

from ml_privacy_meter.attack import meminf
from ml_privacy_meter.attack.results import Results
from ml_privacy_meter.attack.side_by_side import compare_models

__all__ = ["Results", "compare_models", "meminf"]
