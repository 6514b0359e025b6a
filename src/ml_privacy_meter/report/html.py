"""What pages are made with: templates, charts, and content that a script reads."""

import json
from functools import cache
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup

HERE = "ml_privacy_meter.report"


def embedded(content: Any) -> Markup:
    """JSON that no HTML parser can take for the end of a script, whatever a user's group is called."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # Nothing in it can leave the script block now.


def bundle() -> Markup:
    """The charts' library: Vega, Vega-Lite and Vega-Embed."""
    return Markup(_javascript().replace("</script", "<\\/script"))


@cache
def _javascript() -> str:
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


@cache
def template(name: str, *, room: str = HERE) -> jinja2.Template:
    """A template of ``room``, which can take in the report's own: its style, its scripts, its parts."""
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(place, "template") for place in dict.fromkeys((room, HERE))]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template(name)
