"""A small receiver in the brain's place: it takes what an agent ships, and keeps it by job."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.windows import TraceWindow

Document = dict[str, Any]


class Receiver:
    """Listens on the loopback within a ``with`` block."""

    def __init__(self) -> None:
        """Take a free port."""
        self._lock = threading.Lock()
        self._documents: list[Document] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """For ``[uplink] url`` of an agent."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Receiver:
        """Begin to listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def take(self, documents: list[Document]) -> None:
        """Keep messages; WireError where one is none."""
        for document in documents:
            wire.read_message(document)
        with self._lock:
            self._documents += documents

    def told_of(self, job_id: str) -> list[Document]:
        """All messages of a job so far, in order of arrival."""
        with self._lock:
            documents = list(self._documents)
        return [one for one in documents if job_of(one) == job_id]

    def forget(self) -> None:
        """Drop what was kept."""
        with self._lock:
            self._documents.clear()


def job_of(document: Document) -> str:
    """The id of the job a message speaks of, as its run key has it."""
    message = wire.read_message(document)
    if isinstance(message, JobEvent):
        return message.run.job_id
    owner = next((owner for owner in message.owners if owner), "")
    return owner.split("/")[2] if owner.count("/") >= 3 else ""


def is_complete(documents: list[Document]) -> bool:
    """Have the job's end with its trace in numbers, and a window come?"""
    messages = [wire.read_message(document) for document in documents]
    ended = any(
        isinstance(one, JobEvent) and one.kind is EventKind.END and one.trace is not None
        for one in messages
    )
    return ended and any(isinstance(one, TraceWindow) for one in messages)


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            messages = json.loads(body)["messages"]
            receiver.take(messages)
            answer = {"accepted": len(messages), "duplicates": 0, "rejected": []}
            data = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: progress is shown on the terminal."""

    return Handler
