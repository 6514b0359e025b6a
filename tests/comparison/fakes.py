"""Saved reports of audits that never happened, of the same records or of others."""

from pathlib import Path
from typing import Any

import pandas as pd
from report.fakes import fake

from ml_privacy_meter.report import Report


def saved(folder: Path, **settings: Any) -> Path:
    """A report in a folder, drawn as `fake` does; the same seed draws the same noise, whatever the leak."""
    return plain(fake(**{"also": (), "records": 400} | settings), folder)


def plain(report: Report, folder: Path) -> Path:
    """The report, saved without the page, which takes most of the time."""
    from ml_privacy_meter.report.document import dump

    folder.mkdir(parents=True)
    (folder / "report.json").write_text(dump(report._document), encoding="utf-8")
    report.records.to_parquet(folder / "records.parquet", index=False)
    return folder


def table(folder: Path) -> pd.DataFrame:
    """The records of a saved report."""
    return pd.read_parquet(folder / "records.parquet")
