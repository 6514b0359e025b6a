"""A report with ids wherever a report can have some, and with the content of records."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
from report.fakes import failed, fake, game

from ml_privacy_meter.findings import Check
from ml_privacy_meter.games import failed as failed_game
from ml_privacy_meter.records.memory import FrameInMemory
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
    report = replace(report, checks=(*report.checks, *checks), about={**report.about, **paths})
    told = game(how={"records": [{"member": f"{SECRET}3"}]}, checks=(Check("Apart?", False, f"`{SECRET}4` is not."),))
    told = replace(told, tried=(told.tried[0], replace(told.tried[1], failed=f"record `{SECRET}5` holds words")))
    report = report.with_games(told, failed_game("extraction", f"record `{SECRET}6` holds words"))
    return report.showing(FrameInMemory(pd.DataFrame({"diagnosis": [f"{SECRET}{row}" for row in range(records)]})), 20)


def holds_a_secret(folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path for path in files if SECRET.encode() in path.read_bytes()]
