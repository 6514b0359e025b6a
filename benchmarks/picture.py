"""The picture of a report in README: the demo's model that knows its records by heart, audited and opened in chromium.

python benchmarks/picture.py docs/images/report.png      # needs playwright and chromium
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import ml_privacy_meter as pm

DIGITS = Path(__file__).resolve().parents[1] / "examples" / "digits.py"
SIZE = {"width": 1200, "height": 1300}


def main(picture: Path) -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        subprocess.run([sys.executable, DIGITS, folder], check=True)
        report = pm.audit(*(f"{folder}/{name}" for name in ("long.pt2", "train.npz", "test.npz")))
        page = report.save(Path(folder) / "report") / "index.html"
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport=SIZE)
        tab.goto(page.as_uri())
        tab.wait_for_selector("html[data-drawn]", state="attached")
        tab.screenshot(path=picture)
        browser.close()
        print(report, picture, sep="\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:  # to see that it can be made
            main(Path(scratch) / "report.png")
