"""The figures that README and docs/reading-the-report.md quote: README's own code is run, and its two reports are read.

python benchmarks/reading.py [FOLDER]      # where the reports are to be kept: FOLDER/alone, FOLDER/references
"""

import os
import re
import sys
import tempfile
from pathlib import Path

from ml_privacy_meter.findings import Finding
from ml_privacy_meter.report import Report

README = Path(__file__).resolve().parents[1] / "README.md"


def main(folder: Path) -> None:
    names: dict = {}
    reports = {}
    alone, references = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)
    for name, code in (("alone", alone), ("references", references)):
        exec(code, names)
        reports[name] = names["report"]
        reports[name].save(folder / name)
        print(f"\n== {name} ==\n{reports[name]}")
    best = {name: max(figures["AUC"].value for figures in r.risks.values()) for name, r in reports.items()}
    print(f"\nhighest AUC: {best['alone']:.2f} without reference models, {best['references']:.2f} with them\n")
    told(reports["references"])


def told(report: Report) -> None:
    for finding in report.findings:
        print(finding.attack, *finding.risks, *carried(finding), sep="\n    ")
    chosen = next(finding for finding in report.findings if finding.attack == report.about["strongest"]["AUC"])
    for group in chosen.groups:
        print(f"{group.column} {group.value}: {group.risks[0]}")
    print("memorization, ±:", *sorted(report.records["memorization_se"].round(2).unique()))
    sure = report.records[report.records["membership_probability"] > 0.9]["member"]
    print(f"with more than 90%: {sure.sum()} members, {(~sure).sum()} non-members")
    print(f"calibration error {report.calibration.error:.3f}, by luck {report.calibration.luck:.3f}")
    print(*(check.says for check in report.checks if "without the model" in check.name))


def carried(finding: Finding) -> list[str]:
    return [f"carried over: {one.reached}; {one.tpr}" for one in finding.carried]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(sys.argv[1] if len(sys.argv) > 1 else scratch).resolve()
        os.chdir(scratch)  # README's code writes into the folder it is run in
        main(place)
