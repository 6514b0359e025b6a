"""The release gate: may a model be released, by limits on the figures of its report?"""

from ml_privacy_meter.gate.files import JUNIT, SARIF, check_file, write
from ml_privacy_meter.gate.judging import Gate, asked, judged
from ml_privacy_meter.gate.junit import junit
from ml_privacy_meter.gate.limits import Limit, limit
from ml_privacy_meter.gate.sarif import sarif
from ml_privacy_meter.gate.saved import read
from ml_privacy_meter.gate.terminal import table, verdict
from ml_privacy_meter.gate.told import told

__all__ = [
    "JUNIT",
    "SARIF",
    "Gate",
    "Limit",
    "asked",
    "check_file",
    "judged",
    "junit",
    "limit",
    "read",
    "sarif",
    "table",
    "told",
    "verdict",
    "write",
]
