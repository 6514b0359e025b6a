"""What data can arrive as, as `Records`: read in batches, looked through once, joined."""

from ml_privacy_meter.records.duplicates import Duplicates, duplicates
from ml_privacy_meter.records.join import join
from ml_privacy_meter.records.load import as_records, load
from ml_privacy_meter.records.scan import Scanned, scan

__all__ = ["Duplicates", "Scanned", "as_records", "duplicates", "join", "load", "scan"]
