"""A claim of differential privacy, held against what one training shows of canaries."""

from ml_privacy_meter.claims.audited import DPAudit, judge
from ml_privacy_meter.claims.folder import check_folder
from ml_privacy_meter.claims.terminal import table

__all__ = ["DPAudit", "check_folder", "judge", "table"]
