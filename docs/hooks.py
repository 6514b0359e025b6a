"""What the site has beside the files of this folder: pages that lie in the root, and a section for each public name."""

import operator
import re
import types
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import ml_privacy_meter

ROOT = Path(__file__).parents[1]
BESIDE = ("CONTRIBUTING", "CHANGELOG")
MODULES = (
    *("membership", "risk", "signals", "canaries", "claims", "defenses", "guarantees", "monitoring"),
    *("federated", "traces", "clients", "source", "property", "reconstruction", "reconstructing"),
    *("attack", "attack.meminf", "utils", "utils.attack_data"),
)


def on_files(files: Files, config: Any) -> Files:
    """The files of this folder and those of the root that have a page on the site."""
    for name in BESIDE:
        text = (ROOT / f"{name}.md").read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, f"{name.lower()}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """The page with links that hold on the site; that of Python with its sections."""
    for name in BESIDE:
        markdown = markdown.replace(f"](../{name}.md", f"]({name.lower()}.md")
    return markdown + sections() if page.file.src_uri == "api.md" else markdown


def sections() -> str:
    """A directive for each public name, by where it is defined: several are called like the module they stand in."""
    parts = []
    for module in (ml_privacy_meter, *operator.attrgetter(*MODULES)(ml_privacy_meter)):
        short = module.__name__.removeprefix("ml_privacy_meter").lstrip(".")
        parts.append(f"## {f'`pm.{short}`' if short else '`pm`'}\n\n{module.__doc__}")
        for name in module.__all__:
            thing = getattr(module, name)
            if not isinstance(thing, types.ModuleType):
                parts.append(_section(f"{short or 'pm'}.{name}", name, thing))
    return "\n" + "\n\n".join(parts) + "\n"


def _section(heading: str, label: str, thing: Any) -> str:
    defined = getattr(thing, "__module__", "")
    if not defined.startswith("ml_privacy_meter") or not hasattr(thing, "__qualname__"):  # a type or value, written out
        return f"### {heading}\n\n`{re.sub(r'[a-z_.]+[.]', '', str(thing))}`"
    says = {"heading": heading, "toc_label": label}
    settings = "".join(f'\n      {key}: "{text}"' for key, text in says.items())
    return f"::: {defined}.{thing.__qualname__}\n    options:{settings}"
