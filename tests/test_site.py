"""The site of `make docs`: built without a warning, it holds every page and public name, and loads nothing else."""

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import ml_privacy_meter as pm

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("material", "mkdocstrings_handlers.python"):
        pytest.importorskip(package, reason=f"{package} is not installed (pip install -e '.[docs]')")
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(place)]
    settings = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return place


class Seen(HTMLParser):
    """What a page loads, and the names that its headings can be linked to by."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag != "a" and said.get("rel") not in ("canonical", "prev", "next"):
            self.loads += [said[name] for name in ("src", "href", "srcset", "data", "poster") if name in said]
        if "id" in said:
            self.names.add(said["id"])


def seen(page: Path) -> Seen:
    parser = Seen()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def test_every_page_is_on_the_site_and_loads_only_files_of_it(site):
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} | {"contributing", "changelog"}
    assert pages <= {path.stem for path in site.glob("*.html")}
    for name in pages:
        loads = seen(site / f"{name}.html").loads
        assert len(loads) > 3
        for address in loads:
            path = address.partition("?")[0].partition("#")[0]
            assert address.startswith("data:") or (site / path).is_file(), f"{name}: {address}"


def test_no_style_fetches_from_elsewhere(site):
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert styles
    assert not any(start in text for text in styles for start in ("url(http", "url(//", 'url("http', "@import"))


def test_every_public_name_has_a_section(site):
    names = seen(site / "api.html").names
    missing = {
        f"{module.__name__}.{name}"
        for module in (
            pm,
            pm.membership,
            pm.risk,
            pm.signals,
            pm.attack,
            pm.attack.meminf,
            pm.utils,
            pm.utils.attack_data,
        )
        for name in module.__all__
        if (defined := getattr(getattr(module, name), "__module__", "")).startswith("ml_privacy_meter")
        and f"{defined}.{getattr(module, name).__qualname__}" not in names
    }
    assert not missing


def test_the_site_is_searched_from_disk_without_a_request(site, browser):
    tab = browser.new_page()
    wrong: list[str] = []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    tab.on("request", lambda asked: None if asked.url.startswith(site.as_uri()) else wrong.append(asked.url))
    tab.goto((site / "index.html").as_uri())
    tab.fill("input.md-search__input", "not resolvable")
    tab.wait_for_selector(".md-search-result__item a", state="attached", timeout=60_000)
    found = [link.get_attribute("href") for link in tab.query_selector_all(".md-search-result__item a")]
    tab.close()
    assert any("reading-the-report.html" in (link or "") for link in found)
    assert not wrong
