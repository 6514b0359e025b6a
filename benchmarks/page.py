"""The page of a report on 50,000 records: its size (bar: 5 MB), and its first paint in chromium (bar: 2 s).

python benchmarks/page.py [records]      # needs playwright and chromium

Records are named once by number and once by what compresses worst, a hash. A browser on this machine opens each page
five times, the worst counts; scrolling jumps through the table, a step each frame.
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from report.fakes import fake

ROUNDS = 5
PAINT = "performance.getEntriesByType('paint').find(one => one.name === 'first-contentful-paint').startTime"
STANDS = "performance.getEntriesByName('records')[0].startTime"
SCROLL = """async () => {
  const all = document.querySelector(".scroller"), gaps = [];
  all.scrollIntoView();
  let last = await new Promise(requestAnimationFrame);
  for (let step = 1; step <= 200; step += 1) {
    all.scrollTop = all.scrollHeight * step / 200;
    const now = await new Promise(requestAnimationFrame);
    gaps.push(now - last);
    last = now;
  }
  return gaps.sort((a, b) => a - b)[190];
}"""
SORT = """() => [...document.querySelectorAll(".scroller thead button")].map(button => {
  const start = performance.now();
  button.click();
  return performance.now() - start;
}).reduce((a, b) => Math.max(a, b))"""


def main(records: int) -> None:
    from playwright.sync_api import sync_playwright

    report = fake(records, references=4, classes=[f"class {one}" for one in range(100)])
    rng = np.random.default_rng(0)
    hashes = replace(report, records=report.records.assign(id=[rng.bytes(32).hex() for _ in range(records)]))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        for name, one in {"numbers": report, "hashes": hashes}.items():
            start = time.perf_counter()
            place = one.save(Path(folder) / name) / "index.html"
            print(
                f"{records:,} records with {name} for ids, page and files made in {time.perf_counter() - start:.1f} s"
            )
            print(f"  size                 {place.stat().st_size / 1e6:6.2f} MB   (bar: 5)")
            paints, tables = [], []
            for _ in range(ROUNDS):
                tab = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
                tab.add_init_script(
                    "new MutationObserver((_, seen) => { if (document.getElementById('records')?.dataset.ready) "
                    "{ performance.mark('records'); seen.disconnect(); } }).observe(document, "
                    "{subtree: true, childList: true, attributes: true});"
                )
                tab.goto(place.as_uri())
                tab.wait_for_selector("#records[data-ready]", state="attached")
                tab.wait_for_selector("html[data-drawn]", state="attached")
                paints.append(tab.evaluate(PAINT) / 1000)
                tables.append(tab.evaluate(STANDS) / 1000)
            print(f"  first paint          {max(paints):6.2f} s    (bar: 2)")
            print(f"  the table stands     {max(tables):6.2f} s")
            print(
                f"  a frame of scrolling {tab.evaluate(SCROLL):6.0f} ms   (95th of 100, jumps of {records // 200} rows)"
            )
            print(f"  the slowest sort     {tab.evaluate(SORT):6.0f} ms")
        browser.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
