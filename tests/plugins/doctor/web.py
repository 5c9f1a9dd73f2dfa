"""A small server that answers what a test puts into it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Web:
    """Its address, and the answers by path; a path that has none is not found."""

    url: str = ""
    pages: dict[str, str] = field(default_factory=dict)
    date: float | None = None  # of its clock; None: the right one
    status: int = 200


@contextmanager
def served() -> Iterator[Web]:
    """A server until the block ends."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = web.pages.get(self.path.partition("?")[0])
            self.send_response_only(404 if page is None else web.status)
            self.send_header("Date", formatdate(web.date, usegmt=True))
            self.end_headers()
            self.wfile.write((page or "").encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        web.url = f"http://127.0.0.1:{server.server_port}"
        yield web
        server.shutdown()
