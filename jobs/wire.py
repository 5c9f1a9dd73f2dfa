"""What passes between hooks, agent and brain: JSON, versioned, strictly read, bounded.

A message is ``{"jobmend": 1, "kind": "event", "body": {...}}``. Reading checks every field; the
first that is missing, of the wrong type or too large raises :class:`WireError`, which names it.
Unknown fields are passed over, so that a newer agent can speak to an older brain of one version.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable
from typing import Any, Union

from .events import EventKind, JobEvent, JobFacts, Request, TraceSummary
from .exits import Exit, ExitKind
from .fields import MAX_NAME, Fields, WireError
from .identity import Run
from .windows import TraceWindow, values_from_bytes

VERSION = 1

MAX_EVENT_BYTES = 16 * 1024  # one datagram
MAX_WINDOW_BYTES = 4 * 1024 * 1024
MAX_TEXT = 1024  # characters of a comment or a reason
MAX_THREADS = 4096

Message = Union[JobEvent, TraceWindow]


def dumps(message: Message) -> bytes:
    """The message as UTF-8 JSON on one line."""
    kind, body = (
        ("event", event_body(message))
        if isinstance(message, JobEvent)
        else ("window", window_body(message))
    )
    envelope = {"jobmend": VERSION, "kind": kind, "body": body}
    return json.dumps(envelope, separators=(",", ":"), allow_nan=False).encode()


def loads(data: bytes) -> Message:
    """Read one message; WireError names the field that is wrong."""
    if len(data) > MAX_WINDOW_BYTES:
        raise WireError("message", f"{len(data)} bytes, at most {MAX_WINDOW_BYTES} are read")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:  # ValueError: bad JSON and bad UTF-8 alike
        raise WireError("message", f"not JSON ({type(error).__name__})") from error
    return read_message(document)


def read_message(document: object) -> Message:
    """Read a message that is already JSON-decoded."""
    envelope = Fields(document, "message")
    version = envelope.integer("jobmend")
    if version != VERSION:
        raise WireError("message.jobmend", f"version {version}, this side reads {VERSION}")
    kind = envelope.text("kind")
    if kind not in _READERS:
        raise WireError("message.kind", f"{kind!r} is none of {', '.join(sorted(_READERS))}")
    return _READERS[kind](envelope.object("body", kind))


# ---- writing -----------------------------------------------------------------------------------


def event_body(event: JobEvent) -> dict[str, Any]:
    """The JSON object of an event; what is unset is left out."""
    facts = _set_fields(event.facts)
    request = _set_fields(event.facts.request)
    facts.pop("request", None)
    if request:
        facts["request"] = request
    if not event.facts.pid:
        del facts["pid"]
    body: dict[str, Any] = {
        "kind": event.kind.value,
        "run": _set_fields(event.run),
        "time": event.time,
        "node": event.node,
    }
    if facts:
        body["facts"] = facts
    if event.exit is not None:
        body["exit"] = {**_set_fields(event.exit), "kind": event.exit.kind.value}
    if event.trace is not None:
        body["trace"] = {
            name: value for name, value in vars(event.trace).items() if value is not None
        }
    return body


def window_body(window: TraceWindow) -> dict[str, Any]:
    """The JSON object of a window; values are base64 of little-endian float32 in C order."""
    return {
        "node": window.node,
        "start": window.start,
        "step_seconds": window.step_seconds,
        "threads": list(window.threads),
        "owners": list(window.owners),
        "features": list(window.features),
        "values": binascii.b2a_base64(window.to_bytes(), newline=False).decode(),
    }


def _set_fields(record: object) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if value not in (None, "")}


# ---- reading -----------------------------------------------------------------------------------


def read_event(fields: Fields) -> JobEvent:
    """An event out of its JSON object."""
    return JobEvent(
        kind=fields.member("kind", EventKind),
        run=_read_run(fields.object("run")),
        time=fields.amount("time"),
        node=fields.text("node"),
        facts=_read_facts(fields.object("facts")) if fields.has("facts") else JobFacts(),
        exit=_read_exit(fields.object("exit")) if fields.has("exit") else None,
        trace=_read_trace(fields.object("trace")) if fields.has("trace") else None,
    )


def read_window(fields: Fields) -> TraceWindow:
    """A window out of its JSON object."""
    threads = fields.array("threads", MAX_THREADS)
    owners = fields.array("owners", MAX_THREADS)
    features = fields.array("features", 256)
    if not threads or any(isinstance(cpu, bool) or not isinstance(cpu, int) for cpu in threads):
        raise WireError("window.threads", "whole numbers are wanted, at least one")
    if any(owner is not None and not isinstance(owner, str) for owner in owners):
        raise WireError("window.owners", "run keys or nulls are wanted")
    if not features or any(not isinstance(feature, str) for feature in features):
        raise WireError("window.features", "names are wanted, at least one")
    import base64  # here, because the node side only writes windows

    try:
        data = base64.b64decode(fields.text("values", limit=MAX_WINDOW_BYTES), validate=True)
        return TraceWindow(
            node=fields.text("node"),
            start=fields.amount("start"),
            step_seconds=fields.amount("step_seconds"),
            threads=tuple(threads),
            owners=tuple(owners),
            values=values_from_bytes(data),
            features=tuple(features),
        )
    except (binascii.Error, ValueError) as error:
        if isinstance(error, WireError):
            raise
        raise WireError("window.values", str(error)) from error


_READERS: dict[str, Callable[[Fields], Message]] = {"event": read_event, "window": read_window}


def _read_run(fields: Fields) -> Run:
    return Run(*(fields.name(name) for name in ("cluster", "scheduler", "job_id", "run")))


def _read_facts(fields: Fields) -> JobFacts:
    def text(name: str, limit: int = MAX_NAME) -> str:
        return fields.text(name, limit) if fields.has(name) else ""

    return JobFacts(
        workflow=text("workflow"),
        site=text("site"),
        name=text("name"),
        user=text("user"),
        account=text("account"),
        comment=text("comment", MAX_TEXT),
        attempt=fields.optional(fields.count, "attempt") or 0,
        parent=text("parent", 4 * MAX_NAME + 3),
        request=_read_request(fields.object("request")) if fields.has("request") else Request(),
        slot=text("slot"),
        pid=fields.optional(fields.count, "pid") or 0,
    )


def _read_request(fields: Fields) -> Request:
    return Request(
        cpus=fields.optional(fields.amount, "cpus"),
        memory_bytes=fields.optional(fields.count, "memory_bytes"),
        walltime_seconds=fields.optional(fields.amount, "walltime_seconds"),
    )


def _read_exit(fields: Fields) -> Exit:
    return Exit(
        source=fields.name("source"),
        kind=fields.member("kind", ExitKind),
        code=fields.optional(fields.integer, "code"),
        signal=fields.optional(fields.integer, "signal"),
        state=fields.text("state") if fields.has("state") else "",
        reason=fields.text("reason", MAX_TEXT) if fields.has("reason") else "",
    )


def _read_trace(fields: Fields) -> TraceSummary:
    def amount(name: str) -> float | None:
        return fields.optional(fields.amount, name)

    def count(name: str) -> int | None:
        return fields.optional(fields.count, name)

    return TraceSummary(
        duration_seconds=fields.amount("duration_seconds"),
        samples=fields.count("samples"),
        cpu_user_seconds=amount("cpu_user_seconds"),
        cpu_system_seconds=amount("cpu_system_seconds"),
        cpu_idle_tail_seconds=amount("cpu_idle_tail_seconds"),
        memory_peak_bytes=count("memory_peak_bytes"),
        memory_limit_bytes=count("memory_limit_bytes"),
        oom_kills=count("oom_kills"),
        cpu_waiting_seconds=amount("cpu_waiting_seconds"),
        memory_waiting_seconds=amount("memory_waiting_seconds"),
        io_waiting_seconds=amount("io_waiting_seconds"),
        anomaly_score=amount("anomaly_score"),
        anomaly_p=amount("anomaly_p"),
        anomaly_model=fields.optional(fields.text, "anomaly_model"),
    )
