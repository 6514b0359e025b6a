"""Text that a user wrote, so that all of it is seen and none of it changes how its neighbours look."""

import re

# Control characters, halves of characters, and what turns the direction of the text behind it.
HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """``text`` in one line, with a � for each sign that has no shape or that turns the direction of others."""
    return HIDDEN.sub("\ufffd", " ".join(text.split()))


def lines(text: str) -> str:
    """``text`` with the lines and spaces that it has, else as `visible` shows it."""
    return "\n".join(HIDDEN.sub("\ufffd", line) for line in text.expandtabs(4).splitlines())
