"""What README and docs show is run: each block of Python, each run file, each command; and links lead somewhere."""

import os
import re
import shlex
import sys
import textwrap
import tomllib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")  # Keras reads it once, when it is first imported
import docs_files
import pytest
import test_house
import workflows
from attacks import ATTACKS
from typer.testing import CliRunner

from ml_privacy_meter import Recipe, guarantees, membership, train_references
from ml_privacy_meter import audit as audit_function
from ml_privacy_meter.cli import app, gating, runfile
from ml_privacy_meter.cli.attacks import signal_names
from ml_privacy_meter.cli.kinds import settings_of
from ml_privacy_meter.cli.references import SOURCES

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG")),
    *sorted((ROOT / "docs").glob("*.md")),
]
TEXT = {page: page.read_text(encoding="utf-8") for page in PAGES}
REFERENCED = {getattr(attack, "func", attack).__name__ for attack, _, _, models in ATTACKS if models}
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)  # in a list they are indented

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*__array__ implementation:DeprecationWarning"),  # Keras' own
    pytest.mark.filterwarnings("ignore:Secure RNG turned off", "ignore:Full backward hook is firing"),  # Opacus' own
]


@dataclass(frozen=True)
class Block:
    kind: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = TEXT[page]
    return [Block(f[2], textwrap.dedent(f[3]), text[: f.start()].count("\n") + 2) for f in BLOCK.finditer(text)]


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, Any], str]]:
    folder = tmp_path_factory.mktemp("docs")
    for name in ("my_models", "my_attacks", "my_module"):  # another test may have had files of these names
        sys.modules.pop(name, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries that write these files
        things = docs_files.lay_out(folder)
    with docs_files.service(things["forest"]) as address:
        yield folder, things, address


class Reader:
    """Does what a page says, block after block, in the folder that it stands in."""

    def __init__(self, things: dict[str, Any], address: str) -> None:
        self.things, self.address = {"__name__": "__main__", **things}, address  # as at a prompt

    def read(self, page: Path, block: Block) -> None:
        text = block.text.replace(docs_files.ADDRESS, self.address)
        if block.kind == "python":
            code = compile("\n" * (block.line - 1) + text, named(page), "exec")  # so that errors name the line
            exec(code, self.things)
            report = self.things.get("report")
            assert report is None or not report.failed, [finding.failed for finding in report.failed]
        elif block.kind == "toml":
            self.run_file(text)
        elif block.kind == "sh":
            for line in text.splitlines():
                self.command(line)
        elif block.kind == "yaml":
            for line in workflows.commands(text):
                self.command(
                    f"{line}  # exit status 1" if "meter run" in line else line
                )  # the model that is laid out leaks
            assert all(Path(name).is_file() for name in workflows.files(text))
        else:
            assert block.kind == "text", f"line {block.line}: a block of {block.kind or 'no kind'} that nobody reads"

    def run_file(self, text: str) -> None:
        """Runs it; a part of one together with the least that is missing."""
        said = tomllib.loads(text)
        if "epsilon" in said:  # of a claim: the command that is shown below it reads it
            Path("claim.toml").write_text(text, encoding="utf-8")
            return
        if "out" not in said:
            text = docs_files.LEAST + text
        if "references" not in said and REFERENCED & said.get("attacks", {}).keys():
            text += docs_files.REFERENCES
        Path("audit.toml").write_text(text, encoding="utf-8")
        report, _ = runfile.audit_from(runfile.read(Path("audit.toml")), Path())
        assert not report.failed, [finding.failed for finding in report.failed]

    def command(self, line: str) -> None:
        words = shlex.split(line, comments=True)
        if words[:1] == ["privacy-meter"]:
            words, into = (words[: words.index(">")], words[words.index(">") + 1]) if ">" in words else (words, "")
            done = CliRunner().invoke(app, words[1:])
            status = re.search(r"# .*exit status (\d)", line)
            assert done.exit_code == int(status[1] if status else 0), f"{line}\n{done.stdout}{done.stderr}"
            if into:
                Path(into).write_text(done.stdout, encoding="utf-8")
        elif words[:1] == ["make"]:
            makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
            assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), line
        elif words[:1] == ["gh"]:
            assert Path(words[words.index("--body-file") + 1]).is_file(), line
        elif words[:1] == ["python"]:
            assert (ROOT / words[1]).is_file(), line
        elif words[:2] == ["pip", "install"]:
            for extra in re.findall(r"\[([\w,]+)\]", line):
                assert set(extra.split(",")) <= extras(), line
        else:
            assert not words, f"a command that nobody reads: {line}"


def extras() -> set[str]:
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"])


def read_page(page: Path, laid_out: tuple[Path, dict[str, Any], str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, things, address = laid_out
    docs_files.play_few_attacks(monkeypatch)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("API_KEY", "secret")
    reader = Reader(things, address)
    for block in blocks(page):
        reader.read(page, block)


def test_readme_does_what_it_says(laid_out, monkeypatch, capsys):
    read_page(ROOT / "README.md", laid_out, monkeypatch)
    assert "“" in capsys.readouterr().out  # the verdict names an attack
    files = {path.name for path in (laid_out[0] / "report").iterdir()}
    assert files == {"index.html", "report.md", "dpia.md", "report.json", "records.parquet"}


@pytest.mark.parametrize("page", [p for p in PAGES if p.name != "README.md"], ids=named)
def test_a_page_does_what_it_says(page, laid_out, monkeypatch):
    docs_files.draw_nothing(monkeypatch)
    read_page(page, laid_out, monkeypatch)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    prose = BLOCK.sub("", TEXT[page])
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        place = page if not path else (page.parent / path).resolve()
        assert place.exists(), target
        if anchor:
            assert anchor in anchors(place), target


def anchors(page: Path) -> set[str]:
    """What headings can be linked to by: in small letters, spaces as hyphens, without punctuation."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", TEXT[page]), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_setting_of_a_run_file_stands_in_the_docs():
    text = TEXT[ROOT / "docs" / "audit-your-own-model.md"]
    parts = (runfile.targets.open_model, runfile.records.load, audit_function, train_references, guarantees.declared)
    known = {name for part in parts for name in settings_of(part)} | {*SOURCES, *vars(Recipe())}
    missing = {name for name in known - {"attacks", "defense"} if not re.search(rf"\b{name}\b", text)}
    assert not missing


def test_figures_of_references_are_those_that_were_measured():
    """How many members `stacked` recognises: told where references are chosen, measured in reproduction."""
    _, *measured = TEXT[ROOT / "docs" / "reproduction.md"].split("| references | attack |")
    rows = re.findall(
        r"^\| (\d+|none)(?: \(`rmia`\))? \| (\d.*) \|$", TEXT[ROOT / "docs" / "choosing-references.md"], re.M
    )
    assert [count for count, _ in rows] == ["none", "2", "4", "8", "16", "64"]
    for count, cells in rows:
        attack = {"none": "threshold", "2": "rmia"}.get(count, "stacked")
        for cell, table in zip(cells.split(" | "), measured[:3], strict=True):
            found = re.search(rf"^\| {count} \| `{attack}` \| ([\d.]+) \([\d.]+\) \| ([\d.]+)", table, re.M)
            assert found is not None
            assert cell == f"{100 * float(found[2]):.1f}%, AUC {found[1]}"


def test_every_benchmark_is_named_where_its_figures_stand():
    named = set(re.findall(r"\bbenchmarks/(\w+\.py)", "".join(TEXT.values())))
    assert named == {path.name for path in (ROOT / "benchmarks").glob("*.py")}


def test_a_dry_run_is_shown_as_it_prints():
    page = ROOT / "docs" / "audit-your-own-model.md"
    shown = next(block.text for block in blocks(page) if block.text.startswith("Reference models: "))
    source = (ROOT / "src" / "ml_privacy_meter" / "cli" / "__init__.py").read_text(encoding="utf-8")
    for words in (*re.findall(r"[A-Z][a-z ]+(?=: )", shown), re.split(r"\d:\d\d:\d\d", shown)[-1].strip()):
        assert words in source


def test_every_setting_of_a_gate_stands_in_its_page():
    assert all(re.search(rf"^{name} = ", TEXT[ROOT / "docs" / "gate.md"], re.MULTILINE) for name in gating.allowed())


def test_every_extra_stands_in_the_readme():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    install = (ROOT / "README.md").read_text(encoding="utf-8").split("## Install")[1].split("\n## ")[0]
    assert [name for name in extras if f"`{name}`" not in install] == []


def test_every_attack_and_signal_stands_in_the_docs():
    text = TEXT[ROOT / "docs" / "attacks.md"]
    attacks = [name for name in membership.__all__ if "Sees: " in (getattr(membership, name).__doc__ or "")]
    assert len(attacks) > 3
    assert all(f"## {name}\n" in text for name in attacks)
    assert all(f"`{name}`" in text for name in signal_names())


def test_the_table_of_rooms_is_the_one_that_is_enforced():
    text = TEXT[ROOT / "docs" / "design.md"]
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| ([^|]*) \|$", text, re.MULTILINE))
    rooms = list(rows)
    for room, allowed in test_house.MAY_IMPORT.items():
        if room == "__init__":
            continue
        said = set(re.findall(r"`(\w+)`", rows[room]))
        if rows[room].startswith("all above"):
            said = set(rooms[: rooms.index(room)]) - said
        assert said == allowed - {"__version__"}, room
