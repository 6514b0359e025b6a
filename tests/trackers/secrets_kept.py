"""A report with ids wherever a report can have some."""

from dataclasses import replace
from pathlib import Path

from report.fakes import failed, fake

from ml_privacy_meter.findings import Check
from ml_privacy_meter.report import Report

SECRET = "patient-"


def full_of_ids(records: int = 400) -> Report:
    report = fake(
        records,
        prefix=SECRET,
        classes=("<script>alert(1)</script>", "a/b", "a∕b", "猫"),
        also=(replace(failed(), failed=f"record `{SECRET}7` holds [0.25, 0.5]"),),
    )
    checks = (
        Check("Is any record both member and non-member?", False, "1 is.", ids=(f"{SECRET}1 = {SECRET}2",)),
        Check("Was every attack rehearsed?", False, f"Not so: record `{SECRET}9`."),
    )
    paths = {"paths": {"members": f"/home/{SECRET}/train.npz"}}
    return replace(report, checks=(*report.checks, *checks), about={**report.about, **paths})


def holds_a_secret(folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if SECRET.encode() in path.read_bytes()]
