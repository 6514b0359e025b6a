"""What the original ML Privacy Meter called its utilities: data for its attacks, and a converter of its files."""

from ml_privacy_meter.utils import attack_data
from ml_privacy_meter.utils.convert import convert

__all__ = ["attack_data", "convert"]
