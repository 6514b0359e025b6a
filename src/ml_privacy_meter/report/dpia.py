"""The impact assessment as Markdown, for a privacy officer to complete."""

import re
from functools import cache

import jinja2

from ml_privacy_meter.report.assessment import assessment
from ml_privacy_meter.report.document import Document
from ml_privacy_meter.report.markdown import escape
from ml_privacy_meter.report.seal import sealed

# Brackets around nothing but numbers, which nothing behind them makes a link of, need no backslash.
INTERVAL = re.compile(r"\\\[([−\d.,% ]+)\\\](?![(\[:\\])")

LONGEST = 1 << 20  # characters of an answer: it is cut nowhere that a person would write


def dpia(document: Document) -> str:
    """The text of ``dpia.md``, sealed, so that it is known when somebody has changed it."""
    return sealed(_template().render(assessment(document)))


def _shown(text: object) -> str:
    return INTERVAL.sub(r"[\1]", escape(text, room=LONGEST))


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ml_privacy_meter.report", "template"),
        autoescape=False,  # of HTML; `shown` keeps Markdown from taking text for markup
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["shown"] = _shown
    return environment.get_template("assessment.md.j2")
