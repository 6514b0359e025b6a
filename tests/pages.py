"""Pages that were written, as a parser and as a browser see them."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

CHROMIUM = next((path for path in map(Path, ("/usr/bin/chromium", "/usr/bin/chromium-browser")) if path.exists()), None)
EVIL = "</script><script>window.hit = 1</script><img src=x onerror='window.hit=1'>\"'&{{7*7}} 🦊 שלום"


class Reader(HTMLParser):
    """The page's elements, and its text outside of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        self.text += data if self._inside not in ("script", "style") else ""


def check_evil_is_text(reader: Reader) -> None:
    """What users wrote made no element: the page has the scripts that it should have, and no picture."""
    scripts = [attrs for tag, attrs in reader.tags if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "specs"}, {}, {}]
    assert "img" not in [tag for tag, _ in reader.tags]
    assert reader.text.count("window.hit = 1") > 20
    assert "{{7*7}}" in reader.text


def opened(browser: Any, folder: Path, *, ready: str = "html[data-drawn]", **settings: Any) -> tuple[Any, list[str]]:
    """The page of a folder in a browser, and whatever it complains of or asks for, also later on."""
    place = (folder / "index.html").as_uri()
    tab = browser.new_page(**settings)
    seen: list[str] = []
    tab.on("console", lambda message: seen.append(message.text))
    tab.on("pageerror", lambda error: seen.append(str(error)))
    tab.on("request", lambda request: seen.append(request.url) if request.url not in (place, "data:,") else None)
    tab.goto(place)
    tab.wait_for_selector(ready, state="attached", timeout=60_000)
    return tab, seen
