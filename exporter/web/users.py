"""Passwords of users (RFC 7617) against bcrypt hashes, without giving away the node's CPU.

A check takes a tenth of a second of a core by design. A right password is remembered, so that a
scrape a second is not a check a second; wrong ones are checked one at a time, with a rest between.
"""

from __future__ import annotations

import binascii
import hmac
import importlib
import os
import threading
import time
import warnings
from collections.abc import Callable, Mapping

from .errors import Busy, WebConfigError
from .file import cost_of

MAX_BYTES = 72  # of a password; bcrypt does not look at more
# A wrong password is followed by a rest of so many times what its check took, so that guessing
# takes a quarter of a core at most; and by one of so many seconds at most.
_REST_SHARE = 3.0
_REST_SECONDS = 1.0
# Hashes of a higher cost would take many seconds each; crypt stops all threads while it computes.
_MAX_COST = {"bcrypt": 16, "crypt": 12}

Matches = Callable[[bytes, str], bool]  # a password, a hash


class Passwords:
    """The checking of passwords; what it remembers outlives a change of the users."""

    def __init__(self, waiting: int) -> None:
        """Let ``waiting`` requests in to be checked, one at a time; WebConfigError where no
        library knows bcrypt.
        """
        self.library, self._matches = _library()
        self._secret = os.urandom(32)
        self._right: dict[str, bytes] = {}  # by user: digest of the password that was right
        self._queue = threading.BoundedSemaphore(waiting)
        self._turn = threading.Lock()

    def check(self, name: str, password: bytes, stored: str | None, other: str) -> bool:
        """Is ``password`` that of ``stored``? Busy where too many ask.

        Without ``stored`` the answer is no and takes as long, with the help of ``other``, any hash.
        """
        digest = hmac.digest(self._secret, repr((name, stored, password)).encode(), "sha256")
        if self._knows(name, digest):
            return True
        if not self._queue.acquire(blocking=False):
            raise Busy
        try:
            with self._turn:
                return self._knows(name, digest) or self._check(
                    name, password, stored, other, digest
                )
        finally:
            self._queue.release()

    def _knows(self, name: str, digest: bytes) -> bool:
        return hmac.compare_digest(self._right.get(name, b""), digest)

    def _check(
        self, name: str, password: bytes, stored: str | None, other: str, digest: bytes
    ) -> bool:
        began = time.monotonic()
        if self._matches(password, stored or other) and stored is not None:
            self._right[name] = digest
            return True
        time.sleep(min(_REST_SHARE * (time.monotonic() - began), _REST_SECONDS))
        return False


class Users:
    """Those who may ask, of one reading of the file."""

    def __init__(self, stored: Mapping[str, str], passwords: Passwords) -> None:
        """Users by name, with the hashes of their passwords; WebConfigError where one costs too
        much.
        """
        most = _MAX_COST[passwords.library]
        for name, one in stored.items():
            if cost_of(one) > most:
                raise WebConfigError(
                    f"basic_auth_users: {name}: a hash of cost {cost_of(one)} takes too long here "
                    f"(with the library {passwords.library}); make one of cost 10, {most} at most"
                )
        self._stored = stored
        self._passwords = passwords
        self._other = max(stored.values(), key=cost_of)

    def admit(self, authorization: str) -> bool:
        """May who sent this Authorization header ask? Busy where too many do."""
        credentials = _credentials(authorization)
        if credentials is None:
            return False
        name, password = credentials
        return self._passwords.check(name, password, self._stored.get(name), self._other)


def _credentials(authorization: str) -> tuple[str, bytes] | None:
    """User and password of a Basic header; None where it holds none that could be right."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = binascii.a2b_base64(encoded.strip()).partition(b":")
        if not colon or b"\0" in password:
            return None
        return name.decode(), password
    except ValueError:  # no base64, no UTF-8
        return None


def _library() -> tuple[str, Matches]:
    """A way to check bcrypt hashes; the standard crypt is there until Python 3.12 alone."""
    try:
        import bcrypt

        return "bcrypt", lambda password, stored: bcrypt.checkpw(
            password[:MAX_BYTES], stored.encode()
        )
    except ImportError:
        matches = _crypt()
    if matches is None:
        raise WebConfigError(
            "basic_auth_users: no library here knows bcrypt; install python3-bcrypt, or "
            "jobmend[web] from PyPI"
        )
    return "crypt", matches


def _crypt() -> Matches | None:
    """The C library's way, where it knows bcrypt's three spellings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            crypt = importlib.import_module("crypt").crypt
    except ImportError:
        return None

    def matches(password: bytes, stored: str) -> bool:
        try:
            made = crypt(password.decode(), stored)
        except (OSError, ValueError):  # a hash it refuses, a password that is no text
            return False
        return made is not None and hmac.compare_digest(made.encode(), stored.encode())

    salt = "." * 22
    try:
        made = [crypt("", f"$2{kind}$04${salt}") for kind in "aby"]
    except OSError:
        return None
    return matches if all((one or "").startswith("$2") for one in made) else None
