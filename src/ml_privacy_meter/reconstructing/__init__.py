"""Attacks that reconstruct records, played and measured beside what anybody could guess."""

from ml_privacy_meter.reconstructing.play import reconstruct
from ml_privacy_meter.reconstructing.result import Reconstruction, together

__all__ = ["Reconstruction", "reconstruct", "together"]
