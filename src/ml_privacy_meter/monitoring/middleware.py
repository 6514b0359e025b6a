"""A service's queries into a `QueryLog`, as they pass by: around a WSGI or an ASGI application."""

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping, Sequence
from typing import Any

from ml_privacy_meter.monitoring.querylog import QueryLog

Environ = dict[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Wsgi = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
Asgi = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

TOO_LONG = "request or response longer than is kept"
NO_CLIENT = "it could not be told who asked"


def wsgi(
    app: Wsgi, log: QueryLog, *, client: Callable[[Environ], str] | None = None, paths: Sequence[str] = ()
) -> Wsgi:
    """The application, which answers as before; requests with a body and an answer of status 2xx are logged.

    Args:
        client: who asks, from the request's environ; its address where not given, which behind a proxy is the proxy's.
        paths: of requests to log; all where none are given.
    """

    def logged(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if paths and environ.get("PATH_INFO") not in paths:
            return app(environ, start_response)
        seen = _Seen(log, lambda: (client or _address)(environ))

        def started(status: str, *rest: Any, **more: Any) -> Any:
            seen.answered(status)
            return start_response(status, *rest, **more)

        if "wsgi.input" in environ:
            environ["wsgi.input"] = _Input(environ["wsgi.input"], seen.asked)
        chunks = app(environ, started)
        if isinstance(chunks, list | tuple):  # handed on as it is: servers take its length for the answer's
            for chunk in chunks:
                seen.said(chunk)
            seen.end()
            return chunks
        return _Output(chunks, seen)

    return logged


def asgi(
    app: Asgi,
    log: QueryLog,
    *,
    client: Callable[[MutableMapping[str, Any]], str] | None = None,
    paths: Sequence[str] = (),
) -> Asgi:
    """The application, which answers as before; requests with a body and an answer of status 2xx are logged.

    Args:
        client: who asks, from the request's scope; its address where not given, which behind a proxy is the proxy's.
        paths: of requests to log; all where none are given.
    """

    async def logged(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (paths and scope.get("path") not in paths):
            return await app(scope, receive, send)
        seen = _Seen(log, lambda: (client or _peer)(scope))

        async def heard() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                seen.asked(message.get("body", b""))
            return message

        async def said(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.answered(message.get("status"))
            elif message["type"] == "http.response.body":
                seen.said(message.get("body", b""))
            await send(message)

        try:
            await app(scope, heard, said)
        finally:
            seen.end()
        return None

    return logged


class _Seen:
    """What passed by of one request; nothing here waits or raises."""

    def __init__(self, log: QueryLog, client: Callable[[], str]) -> None:
        self._log, self._client, self._moment = log, client, time.time()
        self._request, self._response = bytearray(), bytearray()
        self._long = self._ended = self._body = False
        self._status = ""

    def asked(self, part: Any) -> None:
        self._body = self._body or bool(part)
        self._keep(self._request, part)

    def said(self, part: Any) -> None:
        self._keep(self._response, part)

    def answered(self, status: Any) -> None:
        self._status = str(status)

    def end(self) -> None:
        if self._ended or not self._body or not self._status.startswith("2"):
            return
        self._ended = True
        if self._long:
            self._log.miss(TOO_LONG)
            return
        try:
            client = str(self._client())
        except Exception:  # the user's function may raise anything
            self._log.miss(NO_CLIENT)
            return
        self._log.put(self._moment, client, bytes(self._request), bytes(self._response))

    def _keep(self, whole: bytearray, part: Any) -> None:
        if self._long or not isinstance(part, bytes | bytearray | memoryview):
            return
        self._long = len(whole) + len(part) > self._log.most_bytes
        if not self._long:
            whole += part


class _Input:
    """The body of a request, which is kept as the application reads it."""

    def __init__(self, source: Any, keep: Callable[[Any], None]) -> None:
        self._source, self._keep = source, keep

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def read(self, *size: Any) -> Any:
        return self._kept(self._source.read(*size))

    def readline(self, *size: Any) -> Any:
        return self._kept(self._source.readline(*size))

    def readlines(self, *hint: Any) -> list[Any]:
        return [self._kept(line) for line in self._source.readlines(*hint)]

    def __iter__(self) -> Iterator[Any]:
        return map(self._kept, self._source)

    def _kept(self, part: Any) -> Any:
        self._keep(part)
        return part


class _Output:
    """The answer of an application, chunk by chunk."""

    def __init__(self, chunks: Iterable[bytes], seen: _Seen) -> None:
        self._chunks, self._seen = chunks, seen

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._seen.said(chunk)
            yield chunk
        self._seen.end()

    def close(self) -> None:
        try:
            if hasattr(self._chunks, "close"):
                self._chunks.close()
        finally:
            self._seen.end()


def _address(environ: Environ) -> str:
    return str(environ["REMOTE_ADDR"])


def _peer(scope: MutableMapping[str, Any]) -> str:
    return str(scope["client"][0])
