"""Fetching the model that the brain serves: asked for now and then, proven, then offered."""

from __future__ import annotations

import logging
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

from ..jobs.sealing import MAX_MODEL_BYTES, SealError, check_key, unseal
from .config import Scorer as Settings
from .config import Uplink as Way
from .uplink import UplinkError, connect

PATH = "/api/v1/models/traces"
TRY_AGAIN_SECONDS = 3600.0  # a model that the scorer did not take
RESULTS = ("ok", "unchanged", "none", "failed", "refused")

log = logging.getLogger(__name__)


class Delivery:
    """Keeps the node's model that of the brain, in a thread of its own."""

    def __init__(
        self,
        settings: Settings,
        way: Way,
        version: Callable[[], str],
        offer: Callable[[str], bool],
    ) -> None:
        """Ask the brain named in ``way``.

        ``version`` tells the model in use, ``offer`` takes the file of another one.
        """
        self._settings = settings
        self._way = way
        self._version = version
        self._offer = offer
        self._refused = ""  # version of a model that cannot be used: not fetched again and again
        self._offered = ("", 0.0)  # version, and when in monotonic seconds
        self._logged = ""
        self.fetches: Counter[str] = Counter()

    def run(self, stop: Event) -> None:
        """Ask until ``stop``, at once and then every poll_seconds, no two nodes in step."""
        wait = random.uniform(0.0, min(5.0, self._settings.poll_seconds))
        while not stop.wait(wait):
            wait = self._settings.poll_seconds * random.uniform(0.9, 1.1)
            try:
                self.fetches[self.fetch()] += 1
                self._logged = ""
            except SealError as error:
                self.fetches["refused"] += 1
                self._log(f"the brain's model is refused, the one before stays: {error}")
            except Exception as error:  # the boundary of the thread: whatever it is, try again
                self.fetches["failed"] += 1
                self._log(f"the brain's model was not fetched: {error}")

    def _log(self, sentence: str) -> None:
        if sentence != self._logged:
            self._logged = sentence
            log.warning("%s", sentence)

    def fetch(self) -> str:
        """Ask once; what came of it. SealError for a model that may not be used."""
        status, data, tag = self._get()
        if status == HTTPStatus.NOT_MODIFIED:
            return "unchanged"
        if status == HTTPStatus.NOT_FOUND:
            return "none"
        if status != HTTPStatus.OK:
            raise UplinkError(f"{self._way.url} answers {status}", status)
        try:
            version = unseal(data, self._key()).version
        except SealError:
            self._refused = tag
            raise
        path = f"{self._settings.model_file}.new"
        _write(path, data)
        if self._offer(path):
            self._offered = version, time.monotonic()
        return "ok"

    def _known(self) -> str:
        """The tags of what need not be sent: the model in use, and what could not be used."""
        known = {self._version(), self._refused} - {""}
        offered, at = self._offered
        # It is about to be taken, or the scorer did not take it.
        if offered and time.monotonic() - at < TRY_AGAIN_SECONDS:
            known.add(offered)
        return ", ".join(f'"{version}"' for version in sorted(known))

    def _get(self) -> tuple[int, bytes, str]:
        """Status, body and the version that its tag names."""
        connection, token = connect(self._way)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        known = self._known()
        if known:
            headers["If-None-Match"] = known
        path = urlsplit(self._way.url).path.rstrip("/") + PATH
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            data = answer.read(MAX_MODEL_BYTES + 1)
            return answer.status, data, (answer.getheader("ETag") or "").strip('"')[:64]
        except Exception as error:  # OSError, HTTPException, ValueError: http.client has many
            raise UplinkError(f"{self._way.url}: {type(error).__name__}: {error}") from error
        finally:
            connection.close()

    def _key(self) -> bytes:
        file = self._settings.key_file
        try:
            return check_key(Path(file).read_bytes()[:4096])
        except OSError as error:
            raise SealError(f"[scorer] key_file {file}: {error.strerror}") from error


def _write(path: str, data: bytes) -> None:
    """Put a model where the scorer looks for it, for the agent's user alone."""
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
