"""Whether a file still is as this program wrote it: its last line holds a digest of all that stands above."""

import hashlib
import re

SAID = (
    "<!-- As written by ML Privacy Meter, which does not replace this file once it is changed. sha256: {digest} -->\n"
)
LINE = re.compile(re.escape(SAID.strip()).replace(re.escape("{digest}"), "([0-9a-f]{64})") + r"\n?\Z")


def sealed(text: str) -> str:
    """``text`` with its seal below."""
    return text + SAID.format(digest=_digest(text))


def intact(content: bytes) -> bool:
    """Whether it is what `sealed` gave, line ends aside."""
    try:
        text = content.decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        return False
    found = LINE.search(text)
    return found is not None and found[1] == _digest(text[: found.start()])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
