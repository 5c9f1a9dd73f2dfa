"""Accounting and nodes read from slurmrestd with a token: the reader that needs no command.

Source: "REST API Implementation Guide" (doc/html/rest.html), "JSON Web Tokens" (doc/html/jwt.html).
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...jobs.text import printable
from ..scheduler import SchedulerError
from . import rest_answers
from .accounting import AccountingError, Row
from .nodes import NodeState
from .rest_answers import VERSIONS, Known

if TYPE_CHECKING:
    import httpx2

TIMEOUT_SECONDS = 60.0
MAX_ANSWER_BYTES = 512 * 2**20
FRESH_SECONDS = 30.0  # how long what the controller said is used again

_JOBS_PATH = re.compile(r"/slurmdb/(v\d+\.\d+\.\d+)/jobs/?")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,8192}")


@dataclass(frozen=True)
class RestAccess:
    """How slurmrestd is reached: its address, the user of the token, and the token's file.

    The file holds one token, as ``scontrol token`` prints it, and is readable by its owner alone.
    """

    url: str
    user: str
    token_file: str | os.PathLike[str]


@dataclass(frozen=True)
class Api:
    """What a slurmrestd offers: the version that is spoken, and what ``jobs`` can be asked."""

    version: str
    parameters: frozenset[str]


class RestReader:
    """Asks slurmrestd. The token is read anew when its file changes, and never logged."""

    slice_seconds = 3 * 3600.0  # one answer is held in memory as a whole

    def __init__(self, access: RestAccess, cluster: str) -> None:
        """Nothing is asked yet; ValueError where the address is none."""
        if not access.url.startswith(("http://", "https://")):
            raise ValueError("rest_url: it reads http://host:port or https://host:port")
        self._access = access
        self._cluster = cluster
        self._token = _Token(os.fspath(access.token_file))
        self._api: Api | None = None
        self._known: dict[str, Known] = {}
        self._known_at = -math.inf
        self._client: httpx2.Client | None = None

    @property
    def sluids(self) -> bool:
        """Are runs named by SLUIDs? slurmrestd tells none."""
        return False

    def open(self) -> None:
        """Agree with slurmrestd on a version of the API."""
        self._offered()

    def active(self, since: float, until: float = math.inf) -> Iterator[Row]:
        """The rows of runs that were active between two times (epoch)."""
        api = self._offered()
        start = f"uts{max(int(since), 86400)}"
        asked = {"cluster": self._cluster, "start_time": start, "skip_steps": "true"}
        if until < math.inf:
            asked["end_time"] = f"uts{math.ceil(until)}"
        if "show_duplicates" in api.parameters:
            asked["show_duplicates"] = "true"
        return iter(self._rows(f"/slurmdb/{api.version}/jobs", asked))

    def all_of(self, job_ids: Sequence[str]) -> Iterator[Row]:
        """All rows of these jobs; slurmrestd is asked for one job at a time."""
        api = self._offered()
        for job_id in job_ids:
            yield from self._rows(f"/slurmdb/{api.version}/job/{job_id}", {})

    def nodes(self) -> list[NodeState]:
        """The nodes as they stand now."""
        answer = self._get(f"/slurm/{self._offered().version}/nodes")
        return rest_answers.node_states(answer)

    def _rows(self, path: str, asked: Mapping[str, str]) -> list[Row]:
        version = self._offered().version
        try:
            rows = rest_answers.job_rows(self._get(path, asked), version, self._cluster)
        except AccountingError as error:
            raise SchedulerError(str(error), transient=True) from error
        return rest_answers.completed(rows, self._controller(version), version)

    def _controller(self, version: str) -> Mapping[str, Known]:
        """What the controller knows of the jobs it remembers, a moment old at most."""
        if time.monotonic() - self._known_at > FRESH_SECONDS:
            self._known = rest_answers.known_jobs(self._get(f"/slurm/{version}/jobs"))
            self._known_at = time.monotonic()
        return self._known

    def _offered(self) -> Api:
        if self._api is None:
            self._api = agreed(self._get("/openapi/v3"), self._access.url)
        return self._api

    # ---- asking ---------------------------------------------------------------------------------

    def _get(self, path: str, asked: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        import httpx2

        headers = {
            "X-SLURM-USER-NAME": self._access.user,
            "X-SLURM-USER-TOKEN": self._token.read(),
        }
        if self._client is None:  # nothing of the environment: no proxy gets the token
            self._client = httpx2.Client(trust_env=False, timeout=TIMEOUT_SECONDS)
        url = self._access.url.rstrip("/") + path
        try:
            with self._client.stream("GET", url, params=asked, headers=headers) as response:
                body = _body(response, url)
        except httpx2.HTTPError as error:
            why = printable(str(error), 200) or type(error).__name__
            raise SchedulerError(f"{url} does not answer: {why}", transient=True) from error
        answer = _document(body)
        if response.status_code != 200:
            raise self._failed(url, response.status_code, answer or {})
        if answer is None:
            raise SchedulerError(f"{url} answered what is no JSON", transient=True)
        return answer

    def _failed(self, url: str, status: int, answer: Mapping[str, Any]) -> SchedulerError:
        token = (
            f"is the token in {self._token.path} still good for {self._access.user}?"
            f" scontrol token username={self._access.user} makes a new one"
        )
        if status in (401, 403):
            return SchedulerError(f"{url} answered {status}: {token}")
        told = answer.get("errors")
        errors = told if isinstance(told, list) else []
        words = [str(e.get("description") or e.get("error")) for e in errors if isinstance(e, dict)]
        said = printable("; ".join(words), 300) or "no reason"
        # 22.05 answers 500 and "Unspecified error" to a token that is no good.
        return SchedulerError(f"{url} answered {status}: {said}; {token}", transient=status >= 500)


def agreed(document: Mapping[str, Any], url: str) -> Api:
    """The newest version that slurmrestd offers and that can be read; SchedulerError for none."""
    told = document.get("paths")
    paths = told if isinstance(told, Mapping) else {}
    offered = {match[1]: path for path in paths if (match := _JOBS_PATH.fullmatch(str(path)))}
    readable = [version for version in VERSIONS if version in offered]
    if not readable:
        there = printable(", ".join(sorted(offered)) or "none", 200)
        raise SchedulerError(
            f"{url} offers these versions of slurmdb: {there}; one of"
            f" {', '.join(VERSIONS)} is needed (slurmrestd -s, and slurmdbd)"
        )
    operation = paths[offered[readable[-1]]].get("get", {})
    parameters = operation.get("parameters", []) if isinstance(operation, Mapping) else []
    names = (str(p.get("name")) for p in parameters if isinstance(p, Mapping))
    return Api(readable[-1], frozenset(names))


def _body(response: httpx2.Response, url: str) -> bytes:
    pieces, size = [], 0
    for piece in response.iter_bytes():
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise SchedulerError(
                f"{url} answers more than {MAX_ANSWER_BYTES} bytes: use the reader sacct"
            )
        pieces.append(piece)
    return b"".join(pieces)


def _document(body: bytes) -> Mapping[str, Any] | None:
    """An answer's object. What users wrote stands in it as it is, be it no UTF-8 and no JSON."""
    try:
        document = json.loads(body.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, Mapping) else None


@dataclass
class _Token:
    """The token in a file, read again when the file is another or has changed."""

    path: str
    _text: str = field(default="", repr=False)
    _seen: tuple[int, ...] = ()

    def read(self) -> str:
        try:
            with open(self.path, encoding="ascii", errors="replace") as file:
                status = os.fstat(file.fileno())
                if stat.S_IMODE(status.st_mode) & 0o077:
                    raise SchedulerError(f"{self.path} is open to others: chmod 600 it")
                seen = (status.st_ino, status.st_mtime_ns, status.st_size)
                if seen != self._seen:
                    text = file.read(16384).strip()
                    self._text, self._seen = text.partition("SLURM_JWT=")[2] or text, seen
        except OSError as error:
            raise SchedulerError(f"{self.path} cannot be read: {error.strerror}") from error
        if not _TOKEN.fullmatch(self._text):
            raise SchedulerError(f"{self.path} holds no token: scontrol token > {self.path}")
        return self._text
