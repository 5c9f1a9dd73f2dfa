"""Carrying the spool to the brain: batches by HTTP POST, kept until the brain says it has them."""

from __future__ import annotations

import json
import logging
import random
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..jobs.text import printable
from .config import Uplink as Settings
from .spool import Spool, Spooled

if TYPE_CHECKING:
    from http.client import HTTPConnection

PATH = "/api/v1/ingest"
MAX_MESSAGES = 500  # of one request, by agreement with the brain
MAX_BYTES = 8 * 1024 * 1024
MAX_ANSWER = 1024 * 1024
TIMEOUT_SECONDS = 30.0
LONGEST_WAIT_SECONDS = 300.0

_HEAD, _TAIL = b'{"jobmend":1,"messages":[', b"]}"

log = logging.getLogger(__name__)


class UplinkError(Exception):
    """The brain did not take a batch; ``status`` is its HTTP answer, 0 where there was none."""

    def __init__(self, message: str, status: int = 0) -> None:
        """Keep one sentence and the status."""
        super().__init__(message)
        self.status = status


class Uplink:
    """Sends what is in the spool, at least once and in order."""

    def __init__(self, settings: Settings, spool: Spool) -> None:
        """Send from ``spool`` to the brain named in ``settings``; nothing is sent yet."""
        self._settings = settings
        self._spool = spool
        self._limit = MAX_MESSAGES  # of the next batch; halved while the brain finds it too large
        self.requests: Counter[str] = Counter()
        self.messages: Counter[str] = Counter()

    def run(self, stop: Event) -> None:
        """Send until ``stop``: every interval, and more and more rarely while the brain is away."""
        failures = 0
        while True:
            try:
                self.flush(stop)
                failures = 0
            except Exception as error:  # the boundary of the thread: whatever it is, try again
                failures += 1
                if failures == 1 or not isinstance(error, UplinkError):
                    log.warning("the brain did not take what was sent, it is kept: %s", error)
            if stop.wait(self.wait_seconds(failures)):
                return

    def wait_seconds(self, failures: int) -> float:
        """Pause after so many failures in a row: doubling to a limit, and never two nodes alike."""
        wait = self._settings.interval_seconds * 2.0 ** min(failures, 16)
        return min(wait, LONGEST_WAIT_SECONDS) * (random.uniform(0.5, 1.0) if failures else 1.0)

    def flush(self, stop: Event | None = None) -> None:
        """Send all that is in the spool; UplinkError where the brain does not take it."""
        connection: HTTPConnection | None = None
        token = ""
        try:
            while not (stop and stop.is_set()):
                batch = self._spool.oldest(self._limit, MAX_BYTES - len(_HEAD) - len(_TAIL))
                if not batch:
                    return
                if connection is None:
                    connection, token = connect(self._settings)
                self._send(connection, token, batch)
        finally:
            if connection is not None:
                connection.close()

    def _send(self, connection: HTTPConnection, token: str, batch: Sequence[Spooled]) -> None:
        try:
            rejected = self._post(connection, token, batch)
        except UplinkError as error:
            self.requests["failed"] += 1
            if error.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                raise
            if len(batch) > 1:
                self._limit = len(batch) // 2
                raise
            rejected = {0: str(error)}  # alone and still too large: it would block all others
        else:
            self.requests["ok"] += 1
            self._limit = MAX_MESSAGES
        for place, why in rejected.items():
            log.error("rejected by the brain (%s): %s", batch[place].kind, printable(why))
        self.messages["rejected"] += len(rejected)
        self._spool.settle(batch, {batch[place].id: why for place, why in rejected.items()})

    def _post(
        self, connection: HTTPConnection, token: str, batch: Sequence[Spooled]
    ) -> dict[int, str]:
        """Send one batch; the places in it of what was rejected, and why."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        body = b"".join((_HEAD, b",".join(message.body for message in batch), _TAIL))
        path = urlsplit(self._settings.url).path.rstrip("/") + PATH
        try:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            answer = response.read(MAX_ANSWER)
        except Exception as error:  # OSError, HTTPException, ValueError: http.client has many
            raise UplinkError(f"{self._settings.url}: {type(error).__name__}: {error}") from error
        if response.status != HTTPStatus.OK:
            words = printable(answer.decode(errors="replace"))
            raise UplinkError(
                f"{self._settings.url} answers {response.status}: {words}", response.status
            )
        accepted, duplicates, rejected = read_answer(answer, len(batch))
        self.messages["accepted"] += accepted
        self.messages["duplicate"] += duplicates
        return rejected


def connect(settings: Settings) -> tuple[HTTPConnection, str]:
    """A connection to the brain, not yet opened, and its token; UplinkError without that."""
    # Loaded here because an agent without a brain needs none of their 6 MB.
    from http.client import HTTPConnection, HTTPSConnection

    try:
        file = settings.token_file
        token = Path(file).read_text().strip() if file else ""
    except (OSError, ValueError) as error:
        raise UplinkError(f"[uplink] token_file cannot be read: {error}") from error
    url = urlsplit(settings.url)
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    return kind(url.hostname or "", url.port, timeout=TIMEOUT_SECONDS), token


def read_answer(answer: bytes, sent: int) -> tuple[int, int, dict[int, str]]:
    """Accepted, duplicates and {place: why} of what was rejected; UplinkError for anything else.

    A 200 that is not this answer is not the brain's: a proxy's page must not empty the spool.
    """
    try:
        document = json.loads(answer)
        accepted, duplicates = int(document["accepted"]), int(document["duplicates"])
        rejected = {int(one["index"]): str(one["error"]) for one in document["rejected"]}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UplinkError(f"the answer is not the brain's ({type(error).__name__})") from error
    if any(not 0 <= place < sent for place in rejected):
        raise UplinkError("the answer rejects what was not sent")
    return accepted, duplicates, rejected
