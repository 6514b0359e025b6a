"""What the rounds of a federated training tell of each client: which one holds a record, which have a property."""

from ml_privacy_meter.clients.found import ClientAudit, Found
from ml_privacy_meter.clients.source import infer_source

__all__ = ["ClientAudit", "Found", "infer_source"]
