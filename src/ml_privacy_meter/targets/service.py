"""How a model behind HTTP is spoken to."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

HIDDEN = "(left out)"
LIKE_A_KEY = re.compile(  # letters and digits mixed, 16 or more, or a UUID
    r"(?=[a-z]*\d)(?=\d*[a-z])[a-z0-9]{16,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE
)


@dataclass(frozen=True)
class Service:
    """How a model behind HTTP is spoken to.

    Args:
        url: where requests are posted.
        request: JSON, in which "$records" stands for the records of a batch, or "$record" for a single one.
        response: JMESPath to the outputs in the answer: one list of numbers (or one number) a record.
        headers: of each request.
        batch_size: most records in a request.
        timeout: seconds that an answer may take.
        retries: how often a request is sent again.
        backoff: seconds before the first retry; doubled with each.
        rate: most requests a second; None: no limit.
        budget: most records ever sent to be answered, over all runs that share their answers; None: no limit.
    """

    url: str
    request: Any
    response: str = "@"
    headers: Mapping[str, str] | None = None
    batch_size: int = 32
    timeout: float = 30.0
    retries: int = 8
    backoff: float = 0.5
    rate: float | None = None
    budget: int | None = None

    @property
    def places(self) -> set[str]:
        """Where the records go: "$records", or "$record" for one request a record."""
        return _strings(self.request) & {"$records", "$record"}

    @property
    def single(self) -> bool:
        return "$record" in self.places

    def filled(self, records: list[Any]) -> Any:
        """The JSON that asks for these records."""
        return _filled(self.request, records)

    @property
    def shown(self) -> str:
        """The address without what may be secret in it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{readable(parts.path)}"


def readable(path: str) -> str:
    """The path of an address, its parts left out that look like keys and not like anybody's words."""
    return "/".join(HIDDEN if LIKE_A_KEY.search(part) else part for part in path.split("/"))


def _strings(template: Any) -> set[str]:
    if isinstance(template, Mapping):
        return set().union(*(_strings(value) for value in template.values()))
    if isinstance(template, list | tuple):
        return set().union(*map(_strings, template))
    return {template} if isinstance(template, str) else set()


def _filled(template: Any, records: list[Any]) -> Any:
    if isinstance(template, Mapping):
        return {name: _filled(value, records) for name, value in template.items()}
    if isinstance(template, list | tuple):
        return [_filled(value, records) for value in template]
    if template == "$records":
        return records
    return records[0] if template == "$record" else template


def brief(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 200 else f"{text[:200]}..."
