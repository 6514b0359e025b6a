"""The report as PDF, to be filed: PDF/A-2a and PDF/UA-1, with all fonts inside."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from types import ModuleType
from typing import Any

from ml_privacy_meter._extras import extra
from ml_privacy_meter.report import blocks
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.report.plain import visible
from ml_privacy_meter.report.printed import printed

STANDARDS = ["a-2a", "ua-1"]
QUESTION = "What does this model reveal about the records it was trained on?"
PROBE = b'#set document(title: "probe")\n#set text(font: ("Libertinus Serif", "DejaVu Sans Mono"))\n#sys.inputs.data'
LONGEST = 24  # letters of a word that is not broken at the end of a line


def check_pdf() -> None:
    """Raises `InputError` unless a PDF can be made here."""
    _typst()


def pdf(document: Document) -> bytes:
    """The PDF of a report; the same document gives the same bytes. Whatever a user wrote is shown as text.

    Letters that no font at hand can show stand as their Unicode numbers.

    Raises:
        InputError: the package that makes it is not installed.
    """
    typst = _typst()
    shown = _mapped(document, visible)
    unusual = "".join(sorted({sign for sign in json.dumps(shown, ensure_ascii=False) if ord(sign) > 0x17F}))
    # The compiler's own fonts are the same everywhere; those of the machine are asked for what is left only.
    foreign = _without_glyph(typst, unusual, ignore_system_fonts=True)
    missing = _without_glyph(typst, foreign, ignore_system_fonts=False)
    shown = _mapped(shown, lambda text: re.sub(f"[{re.escape(missing)}]", _number, text)) if missing else shown
    content = {
        "question": QUESTION,
        "model": shown["about"].get("model") or "",
        "version": shown["about"]["version"],
        "started": _started(document),
        "missing": bool(missing),
        "colours": blocks.colours(),
        "blocks": _mapped(printed(shown), _breakable, but="svg"),
    }
    template = files("ml_privacy_meter.report").joinpath("template", "report.typ").read_bytes()
    # What has no date may not call itself an archive's copy.
    standards = STANDARDS if content["started"] else STANDARDS[1:]
    return _compiled(typst, template, json.dumps(content), standards, ignore_system_fonts=not foreign)


def _typst() -> ModuleType:
    return extra("typst", "pdf", "A report as PDF")


def _compiled(
    typst: ModuleType, template: bytes, data: str, standards: list[str], *, ignore_system_fonts: bool
) -> bytes:
    compiler = typst.Compiler(template, ignore_system_fonts=ignore_system_fonts, sys_inputs={"data": data})
    return bytes(compiler.compile(format="pdf", pdf_standards=standards))


def _without_glyph(typst: ModuleType, signs: str, *, ignore_system_fonts: bool) -> str:
    """Those of the signs that no font can show, found by halving."""
    if not signs:
        return ""
    try:
        _compiled(typst, PROBE, signs, STANDARDS, ignore_system_fonts=ignore_system_fonts)
    except typst.TypstError:
        if len(signs) == 1:
            return signs
        half = len(signs) // 2
        return "".join(
            _without_glyph(typst, part, ignore_system_fonts=ignore_system_fonts)
            for part in (signs[:half], signs[half:])
        )
    return ""


def _mapped(content: Any, change: Callable[[str], str], *, but: str = "") -> Any:
    """``content`` with each text in it changed, apart from keys, and from what stands under the key ``but``."""
    if isinstance(content, str):
        return change(content)
    if isinstance(content, dict):
        return {key: value if but and key == but else _mapped(value, change, but=but) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_mapped(one, change, but=but) for one in content]
    return content


def _number(sign: re.Match[str]) -> str:
    return f"[U+{ord(sign[0]):04X}]"


def _breakable(text: str) -> str:
    """``text`` with places in long words where a line may end."""
    return re.sub(rf"\S{{{LONGEST},}}", lambda word: re.sub(r"([(=,_/.:-]|\S{12})(?=\S)", "\\1\u200b", word[0]), text)


def _started(document: Document) -> list[int] | None:
    """When the audit began, in universal time, as numbers from the year to the second."""
    try:
        when = datetime.fromisoformat(document["times"]["started"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return None
    return [when.year, when.month, when.day, when.hour, when.minute, when.second]
