"""Who may see the endpoint, and how: the settings of a web configuration file, kept up to date.

The file is that of Prometheus' exporter-toolkit. What is read here costs nothing until a file is
named: libraries for YAML, TLS and passwords are loaded only then.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import WebConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from .file import WebFile
    from .tls import Tls
    from .users import Passwords, Users

PASSWORD_THREADS = 2  # requests that may wait for a password's check: one is checked, one is next

log = logging.getLogger(__name__)

_Stamp = tuple[int, int, int]  # of a file: modified (ns), inode, size


@dataclass(frozen=True)
class WebSettings:
    """The settings in force: without ``tls`` plain HTTP, without ``users`` anybody may ask."""

    tls: Tls | None = None
    headers: tuple[tuple[str, str], ...] = (("X-Content-Type-Options", "nosniff"),)
    users: Users | None = None


class WebConfig:
    """A web configuration file; changes to it and to the files it names take effect at once.

    A changed file that cannot be used is logged once, and the former settings stay. So they do
    where a change would end TLS or passwords: a file caught half written must not open the page.
    """

    def __init__(self, path: str | Path) -> None:
        """Read the file; WebConfigError where it cannot be used."""
        from pathlib import Path  # not at the start of an agent that reads no such file

        self._path = Path(path)
        self._named: tuple[Path, ...] = ()  # the files that the file names
        self._passwords: Passwords | None = None
        self._lock = threading.Lock()
        self._stamps = self._stamps_now()
        self._settings = WebSettings()
        self._settings = self._read()
        self._stamps = self._stamps_now()

    def current(self) -> WebSettings:
        """The settings in force; never raises."""
        stamps = self._stamps_now()
        if stamps != self._stamps and self._lock.acquire(blocking=False):
            try:
                self._renew(stamps)
            finally:
                self._lock.release()
        return self._settings

    def _renew(self, stamps: list[_Stamp | None]) -> None:
        named = self._named
        try:
            self._settings = self._read()
            log.info("%s: read again", self._path)
        except WebConfigError as error:
            log.error("%s; the former settings stay in force", error)
        # Stamps were taken before the reading: what changes meanwhile is seen the next time.
        self._stamps = stamps if named == self._named else self._stamps_now()

    def _stamps_now(self) -> list[_Stamp | None]:
        stamps: list[_Stamp | None] = []
        for path in (self._path, *self._named):
            try:
                status = os.stat(path)
                stamps.append((status.st_mtime_ns, status.st_ino, status.st_size))
            except OSError:
                stamps.append(None)
        return stamps

    def _read(self) -> WebSettings:
        from .file import parse

        try:
            text = self._path.read_bytes()
        except OSError as error:
            raise WebConfigError(f"{self._path}: cannot be read: {error.strerror}") from error
        try:
            file = parse(text)
            settings = self._settings_of(file)
            if self._settings.tls and not settings.tls:
                raise WebConfigError("TLS was in force and is ended by a restart alone")
            if self._settings.users and not settings.users:
                raise WebConfigError("passwords were in force and are ended by a restart alone")
        except WebConfigError as error:
            raise WebConfigError(f"{self._path}: {error}") from error
        return settings

    def _settings_of(self, file: WebFile) -> WebSettings:
        tls, users = None, None
        folder = self._path.parent
        self._named = tuple(folder / name for name in file.tls.files) if file.tls else ()
        if file.tls:
            from .tls import Tls

            tls = Tls(file.tls, folder)
        if file.users:
            from .users import Passwords, Users

            self._passwords = self._passwords or Passwords(PASSWORD_THREADS)
            users = Users(file.users, self._passwords)
        headers = {**dict(WebSettings.headers), **file.headers}
        return WebSettings(tls, tuple(pair for pair in headers.items() if pair[1]), users)


def load_web_config(path: str) -> WebConfig | None:
    """The web configuration in ``path``, none where that is empty; WebConfigError if unusable."""
    return WebConfig(path) if path else None
