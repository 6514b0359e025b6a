"""The command ``privacy-meter schema``."""

import sys
from importlib.resources import files


def schema() -> None:
    """Print the JSON Schema of report.json, as this version writes it.

    privacy-meter schema > report.schema.json
    """
    sys.stdout.write(files("ml_privacy_meter.report").joinpath("schema.json").read_text(encoding="utf-8"))
