"""The seal of an exported model: what it is, which version, and that the site's key signed it.

A sealed model is a NumPy archive (``.npz``, a zip file) whose zip comment is the seal. The comment
ends with HMAC-SHA256 (RFC 2104) of all bytes before, so nobody without the key can change a byte
unnoticed. Who has the key can sign: it tells the site's own models from others, not one holder of
the key from another.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
from typing import NamedTuple

FORMAT = 2  # of what is inside; an agent reads this one alone
MAX_MODEL_BYTES = 16 * 1024 * 1024
MIN_KEY_BYTES = 16
DIGEST = 64  # hexadecimal digits of an HMAC-SHA256
_END = struct.Struct("<4s8xIIH")  # a zip file's last record, up to its comment (APPNOTE 4.3.16)
_COMMENT = re.compile(rb"jobmend-traces/(\d{1,4}) ([0-9a-f]{16}) [0-9a-f]{64}")
_LONGEST = 16 + 4 + 1 + 16 + 1 + DIGEST


class SealError(Exception):
    """A model that may not be used; one sentence says why and what to do."""


class Sealed(NamedTuple):
    """What the seal of a model says: its format, and the version of its content."""

    format: int
    version: str


def version_of(archive: bytes) -> str:
    """The version of a model: 16 hexadecimal digits of its content's SHA-256."""
    return hashlib.sha256(archive).hexdigest()[:16]


def seal(archive: bytes, key: bytes, *, format: int = FORMAT) -> bytes:
    """``archive``, an npz file without a comment, sealed with ``key``; ValueError for others."""
    last = archive[-_END.size :]
    if len(last) < _END.size or _END.unpack(last)[::3] != (b"PK\5\6", 0):
        raise ValueError("no zip file without a comment")
    start = b"jobmend-traces/%d %s " % (format, version_of(archive).encode())
    signed = archive[:-2] + struct.pack("<H", len(start) + DIGEST) + start
    return signed + _digest(signed, key)


def read_seal(data: bytes) -> Sealed:
    """What the seal says, unproven; SealError where there is none or the model is too large."""
    if len(data) > MAX_MODEL_BYTES:
        raise SealError(f"the model has {len(data)} bytes, at most {MAX_MODEL_BYTES} are read")
    found = list(_COMMENT.finditer(data[-_LONGEST:]))
    if not found or found[-1].end() != len(data[-_LONGEST:]):
        raise SealError("the model has no seal or is cut short; have the brain export it anew")
    return Sealed(int(found[-1][1]), found[-1][2].decode())


def unseal(data: bytes, key: bytes) -> Sealed:
    """What the seal says, proven by ``key``; SealError where the model may not be used."""
    told = read_seal(data)
    if not hmac.compare_digest(data[-DIGEST:], _digest(data[:-DIGEST], key)):
        raise SealError(
            "the model is damaged or signed with another key; "
            "copy the brain's file `scorer.key` to [scorer] key_file"
        )
    if told.format != FORMAT:
        raise SealError(
            f"the model is of format {told.format}, this version reads {FORMAT}; "
            "upgrade agent and brain to one version"
        )
    return told


def check_key(key: bytes) -> bytes:
    """A key as its file holds it, without space around; SealError where it is too short."""
    key = key.strip()
    if len(key) < MIN_KEY_BYTES:
        raise SealError(f"the key has {len(key)} bytes, at least {MIN_KEY_BYTES} are wanted")
    return key


def _digest(data: bytes, key: bytes) -> bytes:
    return hmac.new(key, data, hashlib.sha256).hexdigest().encode()
