"""Reports side by side: one model over epochs, or with and without a defence."""

from ml_privacy_meter.comparison.compare import Comparison, check_folder, compare

__all__ = ["Comparison", "check_folder", "compare"]
