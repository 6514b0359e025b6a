"""What an audit found, to read in Python, in a terminal, or as a folder to file."""

from ml_privacy_meter.report.folder import check_folder
from ml_privacy_meter.report.pdf import check_pdf
from ml_privacy_meter.report.report import Report
from ml_privacy_meter.report.shown import check_shown

__all__ = ["Report", "check_folder", "check_pdf", "check_shown"]
