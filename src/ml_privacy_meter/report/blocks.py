"""What is printed, piece by piece: headings, paragraphs, tables and charts, as the template takes them."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import vl_convert

from ml_privacy_meter.report import charts, words
from ml_privacy_meter.report.document import Document

Block = dict[str, Any]
Cell = str | dict[str, Any]

FONT = "Libertinus Serif"  # which the compiler brings along, so that a page is the same wherever it is made
WIDE, NARROW = 620, 300


@cache
def colours() -> dict[str, str]:
    """The page's colours by light, which print as well."""
    style = files("ml_privacy_meter.report").joinpath("template", "style.css").read_text(encoding="utf-8")
    light = style[: style.index("}")]
    return dict(re.findall(r"--([\w-]+):\s*(#[0-9a-fA-F]{3,8})", light))


def heading(text: str, *, level: int = 1, above: str = "") -> Block:
    """A heading, with a word above it that says what it is about."""
    return {"kind": "heading", "text": text, "level": level, "above": above}


def said(text: str, *, small: bool = False) -> Block:
    """A paragraph."""
    return {"kind": "text", "text": text, "small": small}


def table(
    head: Sequence[str], rows: Iterable[Sequence[Cell]], *, caption: str = "", widths: Sequence[float] = (1,)
) -> Block:
    """A table whose first columns are words, and share what the numbers in the others leave as ``widths`` says."""
    return {"kind": "table", "caption": caption, "head": list(head), "rows": list(rows), "widths": list(widths)}


def cell(risk: Document | None) -> Cell:
    """A figure with its interval beside it, bold where it surely leaks."""
    if risk is None or risk["value"] is None:
        return "–" if risk is None else "not resolvable"
    star = "★ " if risk.get("chosen") else ""
    value = words.value(risk["name"], risk["value"])
    leaks = "surely" in risk and words.leaks(risk)
    return {"main": star + value, "beside": words.interval(risk), "strong": leaks}


def picture(spec: charts.Spec, caption: str, alternative: str, width: int = NARROW) -> Block:
    """A chart, with what is said below it, and to whoever does not see it."""
    return {"svg": _drawn(spec, width), "caption": caption, "alternative": alternative, "wide": width == WIDE}


def png(spec: Mapping[str, Any], width: int) -> bytes:
    """The chart as a picture, on white."""
    sized = _sized(spec, width, font="sans-serif", background="white")
    return bytes(vl_convert.vegalite_to_png(sized, scale=1.5, allowed_base_urls=[]))


def _drawn(spec: Mapping[str, Any], width: int) -> str:
    """The chart as SVG, in the colours and letters of print."""
    return str(vl_convert.vegalite_to_svg(_sized(spec, width, font=FONT), allowed_base_urls=[]))


def _sized(spec: Mapping[str, Any], width: int, **config: str) -> Any:
    """The chart so wide, with the page's colours in place of their names."""
    sized = {**spec, "width": width, "config": {**spec.get("config", {}), **config}}
    return json.loads(re.sub(r"var\(--([\w-]+)\)", lambda name: colours()[name[1]], json.dumps(sized)))


def capital(text: str) -> str:
    """The text as the beginning of a sentence."""
    return text[:1].upper() + text[1:]
