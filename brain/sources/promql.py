"""Asking a Prometheus-compatible server: query, query_range, VictoriaMetrics' export."""

from __future__ import annotations

import json
import re
import time as clock
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import numpy as np
from numpy.typing import NDArray

from ...jobs.text import printable

TIMEOUT_SECONDS = 60.0  # for one whole answer
MAX_BYTES = 128 << 20  # of one answer, unpacked; as Python objects it is ten times that
MAX_POINTS = 11_000  # of one series in one query_range: Prometheus refuses more
_ERROR_BYTES = 64 << 10
_UNFIT = (ValueError, LookupError, TypeError, AttributeError, RecursionError)  # what is no answer
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_BARE_INFINITY = re.compile(rb"\+?(-?)Inf\b")


class PromError(Exception):
    """The server gave no usable answer; the message names it and says why in one sentence."""


class Refused(PromError):
    """The server answered with an error."""


@dataclass(frozen=True)
class Series:
    """One series: ``times`` in seconds since the epoch, ascending, and as many ``values``."""

    labels: Mapping[str, str]
    times: NDArray[np.float64]
    values: NDArray[np.float64]


class PromClient:
    """Speaks to one server; every answer is bounded in bytes and time, or PromError is raised."""

    def __init__(
        self, url: str, *, timeout: float = TIMEOUT_SECONDS, max_bytes: int = MAX_BYTES
    ) -> None:
        """``url`` is what stands before ``/api/v1``, user:password in it is sent as basic auth.

        Nothing is sent yet; PromError where ``url`` is no address.
        """
        self._timeout, self._max_bytes = timeout, max_bytes
        try:
            address = httpx2.URL(url)
            if address.scheme not in ("http", "https") or not address.host:
                raise ValueError("http://host:port is wanted")
            self.name = str(address.copy_with(userinfo=b""))  # what may be shown: no password
            self._http = httpx2.Client(base_url=address, timeout=timeout, trust_env=False)
        except (httpx2.InvalidURL, ValueError) as error:
            shown = printable(url.rpartition("@")[2])
            raise PromError(f"{shown!r} is no address of a server: {error}") from error

    def __enter__(self) -> PromClient:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def query(self, expression: str, time: float | None = None) -> list[Series]:
        """An instant query, at ``time`` or now: one value a series, or all of a range selector."""
        order = {"query": expression}
        if time is not None:
            order["time"] = f"{time:.3f}"
        return self._read(self._ask("query", order))

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """Values at ``start``, ``start + step`` … up to ``end``; what is absent there is left out.

        PromError where that is more than ``MAX_POINTS`` a series.
        """
        if (end - start) / step > MAX_POINTS:
            raise PromError(f"{self.name}: more than {MAX_POINTS} steps in one query_range")
        span = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        return self._read(self._ask("query_range", {"query": expression, **span}))

    def label_values(
        self, label: str, match: str, start: float | None = None, end: float | None = None
    ) -> list[str]:
        """The values that ``label`` has among the series of a selector, sorted.

        Those series alone that have samples between ``start`` and ``end``, where both are given.
        """
        if not _LABEL.fullmatch(label):
            raise ValueError(f"{printable(label)!r} is no name of a label")
        order = {"match[]": match}
        if start is not None and end is not None:
            order |= {"start": f"{start:.3f}", "end": f"{end:.3f}"}
        answer = self._ask(f"label/{label}/values", order, method="GET")
        return sorted(str(value) for value in answer or ())

    def can_export(self) -> bool:
        """Is it a VictoriaMetrics, which exports? PromError where nothing answers."""
        try:
            list(self.export(["jobmend_build_info"], 0, 1))
        except Refused:
            return False
        return True

    def export(self, matches: Iterable[str], start: float, end: float) -> Iterator[Series]:
        """The raw samples of VictoriaMetrics' ``/api/v1/export`` in ``[start, end]``, as they come.

        A series may come in several parts.
        """
        order = {
            "match[]": list(matches),
            "start": f"{start:.3f}",
            "end": f"{end:.3f}",
            "reduce_mem_usage": "1",
        }
        with self._answer("POST", "export", order) as chunks:
            for line in _lines(chunks):
                try:
                    yield _exported(_line(line))
                except _UNFIT as error:
                    raise self._strange() from error

    def _read(self, data: Any) -> list[Series]:
        try:
            if data["resultType"] == "scalar":
                return [_series({"metric": {}, "value": data["result"]})]
            return [_series(one) for one in data["result"]]
        except _UNFIT as error:
            raise self._strange() from error

    def _ask(self, path: str, order: dict[str, Any], method: str = "POST") -> Any:
        with self._answer(method, path, order) as chunks:
            body = b"".join(chunks)
        try:
            answer = json.loads(body)
            if answer["status"] == "success":
                return answer["data"]
        except _UNFIT as error:
            raise self._strange() from error
        raise PromError(f"{self.name}: {_why(body)}")

    @contextmanager
    def _answer(self, method: str, path: str, order: dict[str, Any]) -> Iterator[Iterator[bytes]]:
        content: dict[str, Any] = {"data": order} if method == "POST" else {"params": order}
        try:
            with self._http.stream(method, f"api/v1/{path}", **content) as response:
                if response.status_code != 200:
                    body = _beginning(response.iter_bytes())
                    raise Refused(f"{self.name}: {response.status_code}: {_why(body)}")
                yield self._bounded(response.iter_bytes())
        except httpx2.TransportError as error:
            said = str(error) or type(error).__name__
            raise PromError(f"{self.name} does not answer: {said}") from error
        except httpx2.HTTPError as error:
            raise PromError(f"{self.name}: {error}") from error

    def _bounded(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        deadline, size = clock.monotonic() + self._timeout, 0
        for chunk in chunks:
            size += len(chunk)
            if size > self._max_bytes:
                raise PromError(f"{self.name}: an answer of more than {self._max_bytes} bytes")
            if clock.monotonic() > deadline:
                raise PromError(f"{self.name}: no whole answer in {self._timeout:g} s")
            yield chunk

    def _strange(self) -> PromError:
        return PromError(f"{self.name} answers, but not as a Prometheus-compatible server")


def _series(told: Mapping[str, Any]) -> Series:
    points = told["values"] if "values" in told else [told["value"]]
    times = np.array([point[0] for point in points], np.float64)
    values = np.array([float(point[1]) for point in points], np.float64)
    return Series(dict(told["metric"]), times, values)


def _line(line: bytes) -> Any:
    """A line of an export; VictoriaMetrics 1.79 writes infinity as no JSON has it."""
    try:
        return json.loads(line)
    except ValueError:
        labels, key, numbers = line.rpartition(b'"values":')
        return json.loads(labels + key + _BARE_INFINITY.sub(rb"\1Infinity", numbers))


def _exported(told: Mapping[str, Any]) -> Series:
    """Milliseconds become seconds; null is how newer servers tell NaN."""
    times = np.array(told["timestamps"], np.float64) / 1000
    try:
        values = np.array(told["values"], np.float64)
    except ValueError:  # newer servers tell infinity as text
        values = np.array([float("nan" if one is None else one) for one in told["values"]])
    if times.shape != values.shape:
        raise ValueError("as many values as timestamps are wanted")
    return Series(dict(told["metric"]), times, values)


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest: list[bytes] = []
    for chunk in chunks:
        *whole, last = chunk.split(b"\n")
        for line in whole:
            if text := b"".join((*rest, line)).strip():
                yield text
            rest = []
        rest.append(last)
    if text := b"".join(rest).strip():
        yield text


def _beginning(chunks: Iterable[bytes]) -> bytes:
    body = b""
    for chunk in chunks:
        body += chunk
        if len(body) >= _ERROR_BYTES:
            break
    return body[:_ERROR_BYTES]


def _why(body: bytes) -> str:
    """What a refusal says, short and safe to show."""
    try:
        said = json.loads(body)["error"]
    except _UNFIT:
        said = body.decode(errors="replace").strip() or "no word why"
    return printable(str(said), 300)
