import re
from html.parser import HTMLParser
from typing import Any

import pytest
from markdown_it import MarkdownIt
from report.fakes import BLANK, LEAKY, failed, fake

from ml_privacy_meter.report import Report
from ml_privacy_meter.report.markdown import FILES, escape, markdown

MOST = 65_536  # characters of a comment on GitHub
EVIL = (
    "<script>x</script> </details></summary> <!-- --> &lt; &amp; | `c` ``` *b* _i_ __u__ ~~s~~ [x](http://y.z) ![i](j) "
    "$e^2$ \\ \\| \" ' # 1. - + > @owner @org/team #1 GH-2 org/repo#3 a@b.cd "
    "https://e.fg www.h.ij mailto:k@l.mn :tada: 🦊 שלום"
)


class Reader(HTMLParser):
    """The text of rendered Markdown, and its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.cells:
            self.cells[-1] += data


def rendered(text: str) -> Reader:
    reader = Reader()
    reader.feed(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text))
    return reader


def evil() -> Report:
    more: dict[str, Any] = {"model": EVIL, "prefix": EVIL, "also": (failed(EVIL),), "shifted": True}
    return fake(200, classes=(EVIL, "b"), group=(EVIL, "x"), attacks=(LEAKY, EVIL), **more)


@pytest.mark.parametrize("text", [EVIL, *EVIL.split(), "a\nb", "|", "\\", "&#64;x", "a | b || c", "1. x", "<", "]("])
def test_what_a_user_wrote_is_read_as_it_was_written(text: str) -> None:
    said = rendered(f"| a |\n| --- |\n| x {escape(text, room=5_000)} y |\n").cells[1]
    assert said.strip().replace("\u200b", "") == " ".join(f"x {text} y".split())


def test_nothing_that_a_user_wrote_becomes_an_element() -> None:
    def tags(report: Report) -> set[str]:
        return set(rendered(markdown(report._document)).tags)

    assert tags(evil()) == tags(fake(200, shifted=True))
    assert not tags(evil()) & {"script", "img", "code", "em", "s", "pre"}


def test_a_table_has_as_many_cells_whatever_the_names() -> None:
    plain = fake(200, classes=("a", "b"), group=("c", "x"), attacks=(LEAKY, "d"), shifted=True)
    counts = [len(rendered(markdown(report._document)).cells) for report in (evil(), plain)]
    assert counts[0] == counts[1]


def test_the_only_links_are_those_to_the_files() -> None:
    text = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown(evil()._document))
    assert re.findall(r'href="([^"]*)"', text) == ["index.html", "report.json", "records.parquet"]
    said = markdown(fake(100)._document, files=list(FILES))
    assert re.findall(r"\]\(([^)]*)\)", said) == list(FILES)


# As GitHub finds them in the text of a comment.
PINGS = [r"(?<!\w)@[A-Za-z0-9]", r"#\d", r"(?i)\bgh-\d", r"https?://", r"(?i)www\.\w", r"\w@\w+\.[a-z]", r":\w+:"]


@pytest.mark.parametrize("ping", PINGS)
def test_nobody_is_called_and_nothing_linked_by_what_a_user_wrote(ping: str) -> None:
    assert re.search(ping, EVIL)
    assert not re.search(ping, rendered(escape(EVIL, room=5_000)).text)
    assert not re.search(ping, rendered(markdown(evil()._document)).text)


def test_names_of_figures_are_written_as_they_are() -> None:
    assert "| Attack | AUC | TPR@10%FPR | TPR@1%FPR | TPR@0.1%FPR |" in markdown(fake(400)._document)


def test_the_verdict_comes_first_and_details_are_folded() -> None:
    text = markdown(fake(400, shifted=True)._document)
    order = ["# Privacy audit", "This audit does not measure", "## Read this first", "voids the audit", "## Attacks"]
    order += ["Threat models", "All figures", "By class and group", "Most exposed", "Checks that were passed"]
    order += ["How it was measured", "[index.html](index.html)"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)
    assert text.count("<details>") == text.count("</details>") == 6
    assert text[: text.index("<details>")].count("\n") < 30


def test_groups_are_those_of_the_strongest_attack_highest_first() -> None:
    document = fake(4000, attacks=(BLANK, "second"), seed=1)._document
    document["findings"][1]["risks"][0]["value"] = 0.99
    text = markdown(document)
    assert "The attack is second." in text
    held = text[text.index("By class and group") :].split("</details>")[0]
    values = [float(row.split("|")[4].strip(" *").split()[0]) for row in held.splitlines() if "[" in row]
    assert len(values) == 7
    assert values == sorted(values, reverse=True)


def test_what_is_cut_off_says_so() -> None:
    assert escape("x" * 400).endswith("x…")
    assert len(escape("@a" * 400)) <= 301
    text = markdown(fake(4000, classes=[f"class {number}" for number in range(200)])._document)
    assert re.search(r"\n\n… and \d+ more: see `report.json`.", text)


def test_a_summary_fits_into_a_comment_whatever_it_holds() -> None:
    document = evil()._document
    long = "@a #1 | :b: <i> " * 500
    one = document["findings"][0]
    for held in (document["about"], one, *one["groups"], *document["checks"], *document["exposed"], *one["risks"]):
        held |= {key: long for key, value in held.items() if isinstance(value, str) and key != "name"}
    groups = [group for group in one["groups"] for _ in range(50)]
    document["findings"] = [one | {"groups": groups, "failed": failed} for failed in ("", long) for _ in range(30)]
    document["checks"] = [check for check in document["checks"] for _ in range(100)]
    document["about"] |= {f"{number} {long}": long for number in range(100)}
    text = markdown(document)
    assert 20_000 < len(text) < MOST
    assert "script" not in rendered(text).tags
    assert rendered(text).tags.count("details") == 6
