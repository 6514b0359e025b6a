"""A model behind HTTP on this machine, that can be told to misbehave."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cli.makers import answers

Reply = tuple[int, bytes]


class Service:
    """Answers requests one after the other with ``replies``, then as it should; ``seen`` holds all records."""

    def __init__(self) -> None:
        self.replies: list[Callable[[], Reply]] = []
        self.broken: Callable[[], Reply] | None = None
        self.good_for: int | None = None  # requests after which it breaks
        self.seen: list[tuple[float, ...]] = []
        self.requests = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, content = outer.reply(body, dict(self.headers))
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    self.close_connection = True  # who asked has gone

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/predict"
        self.headers: dict[str, str] = {}

    def reply(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        self.requests, self.headers = self.requests + 1, headers
        broken = self.good_for is not None and self.requests > self.good_for
        if broken and self.broken is not None:
            return self.broken()
        if self.replies:
            return self.replies.pop(0)()
        self.seen += [tuple(row) for row in body["inputs"]]
        return 200, json.dumps({"scores": answers(body["inputs"]).tolist()}).encode()

    def __enter__(self) -> "Service":
        self.thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def status(code: int, content: bytes = b"no") -> Callable[[], Reply]:
    return lambda: (code, content)


def late() -> Reply:
    time.sleep(0.5)
    return 200, b'{"scores": []}'
