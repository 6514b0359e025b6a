"""A black-box model behind HTTP, asked for no record twice."""

import json
import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import torch
from torch import Tensor

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter._extras import extra
from ml_privacy_meter.targets.key import digest
from ml_privacy_meter.targets.service import Service, brief
from ml_privacy_meter.targets.target import Opened
from ml_privacy_meter.types import Batch

_LONGEST = 60.0  # seconds between two attempts
_ASKED_TO_WAIT = 600.0  # seconds that a server may ask for


class _AgainError(Exception):
    """This attempt failed in a way that may pass, perhaps after the seconds that the server asked for."""

    def __init__(self, says: str, wait: float = 0.0) -> None:
        super().__init__(says)
        self.wait = wait


class Endpoint:
    """batch -> outputs, from the answers that are kept, or else from the service.

    Args:
        service: how to ask.
        answers: what was answered so far, by content of request and record; filled as answers come.
        read: an answer and how many records it is about -> the numbers of each; None: what ``service.response`` finds.
    """

    def __init__(
        self,
        service: Service,
        *,
        answers: MutableMapping[str, list[float]] | None = None,
        read: Callable[[Any, int], list[list[float]]] | None = None,
    ) -> None:
        self.service, self._read = service, read or self._rows
        self.kept = answers is not None
        self.answers = {} if answers is None else answers
        # another expression reads other numbers off the same answer
        self.key = digest(service.url, json.dumps(service.request, sort_keys=True), service.response)
        self._free_at = 0.0

    def __call__(self, batch: Batch) -> Tensor:
        rows = self.answered(batch.tolist() if isinstance(batch, Tensor) else batch.to_dict("records"))
        widths = sorted({len(row) for row in rows})
        if len(widths) > 1:
            raise InputError(
                f"`{self.service.shown}` must give every record as many numbers, found {widths[0]} and {widths[-1]}."
            )
        return torch.tensor(rows, dtype=torch.float64)

    def answered(self, records: list[Any]) -> list[list[float]]:
        """The numbers that were answered for each record, asked for no record twice."""
        named = self._by_key(records)
        pending = [key for key in dict(named) if key not in self.answers]
        if pending:
            self._check_budget(set(pending))
            self._ask_all(pending, dict(named))
        return [self.answers[key] for key, _ in named]

    def check_budget(self, batches: Iterable[Batch]) -> None:
        """Raises `InputError` if the budget does not suffice for those records that have no answer yet."""
        if self.service.budget is None:
            return
        lists = (batch.tolist() if isinstance(batch, Tensor) else batch.to_dict("records") for batch in batches)
        self._check_budget({key for one in lists for key, _ in self._by_key(one) if key not in self.answers})

    def _check_budget(self, needed: set[str]) -> None:
        if self.service.budget is None:
            return
        if self._sent + len(needed) > self.service.budget:
            raise InputError(
                f"The budget of {self.service.budget} records for `{self.service.shown}` does not suffice: "
                f"{self._sent} were asked, {len(needed)} are still needed. Raise `budget`, or audit fewer "
                "records."
            )

    @property
    def _sent(self) -> int:
        return int(self.answers.get(f"{self.key} sent", [0])[0])

    def _count(self, records: int) -> None:
        self.answers[f"{self.key} sent"] = [float(self._sent + records)]

    def _by_key(self, records: list[Any]) -> list[tuple[str, Any]]:
        try:
            return [(f"{self.key} {digest(json.dumps(record, allow_nan=False))}", record) for record in records]
        except (ValueError, TypeError) as error:
            raise InputError(f"Records must be finite numbers or strings to be sent as JSON ({error}).") from error

    def _ask_all(self, pending: list[str], records: Mapping[str, Any]) -> None:
        httpx = extra("httpx", "http", "Auditing a URL")
        size = 1 if self.service.single else self.service.batch_size
        with httpx.Client(timeout=self.service.timeout, headers=dict(self.service.headers or {})) as client:
            for start in range(0, len(pending), size):
                keys = pending[start : start + size]
                body = self._patiently(client, [records[key] for key in keys])
                self.answers.update(zip(keys, self._read(body, len(keys)), strict=True))

    def _patiently(self, client: Any, records: list[Any]) -> Any:
        tenacity = extra("tenacity", "http", "Auditing a URL")
        service = self.service
        attempts = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(service.retries + 1),
            retry=tenacity.retry_if_exception_type(_AgainError),
            wait=lambda state: _pause(state.outcome.exception(), service.backoff, state.attempt_number),
            reraise=True,
        )
        try:
            return attempts(self._once, client, records)
        except _AgainError as error:
            kept = sum(key.startswith(f"{self.key} ") for key in self.answers) - (f"{self.key} sent" in self.answers)
            resume = "the same command goes on from there" if self.kept else "no store was given to keep them in"
            raise InputError(
                f"`{service.shown}` must answer; at attempt {service.retries + 1} it {error}. The answers "
                f"for {kept} records are kept: {resume}."
            ) from error

    def _once(self, client: Any, records: list[Any]) -> Any:
        """The JSON that the service answers with."""
        httpx = extra("httpx", "http", "Auditing a URL")
        self._pace()
        try:
            reply = client.post(self.service.url, json=self.service.filled(records))
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise InputError(f"`{self.service.shown}` is no address to post to ({error}).") from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _AgainError(f"could not be reached ({error})") from error
        except httpx.TimeoutException as error:
            self._count(len(records))  # it may have answered, and charged, without our hearing of it
            raise _AgainError(f"gave no answer within {self.service.timeout:g} s") from error
        except httpx.RequestError as error:
            self._count(len(records))
            raise _AgainError(f"broke off ({error})") from error
        if reply.status_code in (408, 425, 429) or reply.status_code >= 500:
            wait = _seconds(reply.headers.get("retry-after", ""))
            raise _AgainError(f"answered with the status {reply.status_code}", wait)
        if not reply.is_success:
            raise InputError(
                f"`{self.service.shown}` refused the request with the status {reply.status_code}: "
                f"{reply.text[:200]!r}. Look at `request` and `headers`."
            )
        self._count(len(records))
        try:
            return reply.json()
        except ValueError as error:
            if reply.text.lstrip()[:1] in ("{", "["):
                raise _AgainError("broke off within its JSON") from error
            raise InputError(
                f"`{self.service.shown}` must answer in JSON, found {reply.text[:200]!r}. Look at `url` and `request`."
            ) from error

    def _rows(self, body: Any, count: int) -> list[list[float]]:
        """The numbers of each record in one answer."""
        found = extra("jmespath", "http", "Auditing a URL").search(self.service.response, body)
        rows = [found] if self.service.single and not _nested(found) else found
        if isinstance(rows, list):
            rows = [row if isinstance(row, list) else [row] for row in rows]
        if not isinstance(rows, list) or len(rows) != count or not all(map(_numbers, rows)):
            raise InputError(
                f"`{self.service.shown}` must answer with one list of finite numbers for each of {count} "
                f"records at `{self.service.response}`, found {brief(found)} in {brief(body)}. Look at "
                "`response`."
            )
        return [[float(number) for number in row] for row in rows]

    def _pace(self) -> None:
        if self.service.rate is None:
            return
        now = time.monotonic()
        time.sleep(max(0.0, self._free_at - now))
        self._free_at = max(now, self._free_at) + 1 / self.service.rate


def open_url(service: Service, *, answers: MutableMapping[str, list[float]] | None = None) -> Opened:
    """A model behind HTTP; nothing is sent yet.

    Raises:
        InputError: a setting is out of range, or ``request`` has no place for the records.
    """
    check(service)
    inner = Endpoint(service, answers=answers)
    kind = f"black-box model at {service.shown}"
    return Opened(inner, kind, inner.key, tensors=False, cached=True)


def check(service: Service) -> None:
    """Raises `InputError` where a setting is out of range, or ``request`` has no place for the records."""
    for name in ("httpx", "tenacity", "jmespath"):
        extra(name, "http", "Auditing a URL")
    if len(service.places) != 1:
        raise InputError(
            '`request` must hold "$records" (or "$record", for one request a record) where the records go, '
            "as in "
            f'`request = {{ inputs = "$records" }}`; found {brief(service.request)}.'
        )
    in_range(0, math.inf, batch_size=service.batch_size, timeout=service.timeout, retries=service.retries + 1)
    in_range(0, math.inf, rate=service.rate or 1.0, backoff=service.backoff + 1e-9)
    try:
        extra("jmespath", "http", "Auditing a URL").compile(service.response)
    except ValueError as error:
        raise InputError(f"`response` must be a JMESPath expression, found `{service.response}` ({error}).") from error


def _pause(error: BaseException | None, backoff: float, attempt: int) -> float:
    # spread out, so that several audits do not knock again at the same moment
    spread = random.Random().uniform(0.5, 1.0)
    asked = error.wait if isinstance(error, _AgainError) else 0.0
    return max(min(_LONGEST, backoff * 2.0 ** min(attempt - 1, 30)) * spread, asked)


def _seconds(header: str) -> float:
    """What a Retry-After header asks for; it holds seconds, or a date."""
    try:
        wait = float(header)
    except ValueError:
        try:
            wait = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return min(max(wait, 0.0), _ASKED_TO_WAIT) if math.isfinite(wait) else 0.0


def _nested(found: Any) -> bool:
    return isinstance(found, list) and len(found) == 1 and isinstance(found[0], list)


def _numbers(row: list[Any]) -> bool:
    kinds = all(isinstance(number, int | float) and not isinstance(number, bool) for number in row)
    return kinds and len(row) > 0 and all(map(math.isfinite, row))
