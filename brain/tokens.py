"""The secrets: for agents that report, for operators who act, and to sign models with."""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

INGEST = "ingest"
OPERATOR = "operator"
SCORER_KEY = "scorer.key"  # nodes that score have a copy of it
MIN_CHARACTERS = 16


class TokenError(Exception):
    """A token file that cannot be used; the message names it and the cure."""


@dataclass(frozen=True, repr=False)
class Tokens:
    """The secrets as the brain compares them."""

    ingest: str
    operator: str


def ensure(directory: Path) -> Tokens:
    """Read both tokens, making those secrets that are missing (mode 0600)."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (INGEST, OPERATOR, SCORER_KEY):
            _make(directory / name)
    except OSError as error:
        raise TokenError(f"{error.filename}: cannot be made: {error.strerror}") from error
    return Tokens(read(directory / INGEST), read(directory / OPERATOR))


def _make(path: Path) -> None:
    if path.exists():
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    os.replace(beside, path)


def read(path: Path) -> str:
    """The token in a file that its owner alone may read; TokenError otherwise."""
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o777
            token = file.read(4096).strip()
    except OSError as error:
        raise TokenError(f"{path}: cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise TokenError(f"{path}: mode {mode:04o} lets others read it; chmod 600 {path}")
    if len(token) < MIN_CHARACTERS:
        raise TokenError(f"{path}: holds no token; delete it and restart the brain for a new one")
    return token


def matches(header: str | None, token: str) -> bool:
    """Does an ``Authorization`` header carry ``token``? Takes the same time for any wrong one."""
    scheme, _, given = (header or "").partition(" ")
    same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())
    return scheme.lower() == "bearer" and same
