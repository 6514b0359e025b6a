"""What the rounds of a federated training tell of each client: which one holds a record, which have a property."""

from ml_privacy_meter.clients.active import Active, aggregator_ascent, isolation, participant_ascent, passive
from ml_privacy_meter.clients.found import ClientAudit, Found
from ml_privacy_meter.clients.properties import infer_property
from ml_privacy_meter.clients.source import infer_source

__all__ = [
    "Active",
    "ClientAudit",
    "Found",
    "aggregator_ascent",
    "infer_property",
    "infer_source",
    "isolation",
    "participant_ascent",
    "passive",
]
