"""ULIDs: names of runs that nobody has to hand out, and that sort by the time they were made.

Source: https://github.com/ulid/spec: 48 bits of milliseconds since the epoch and 80 random bits,
written as 26 characters of Crockford's base 32.
"""

from __future__ import annotations

import re
import secrets
import time

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 26
PATTERN = re.compile(f"[0-7][{ALPHABET}]{{{LENGTH - 1}}}")


def new_ulid(now: float | None = None) -> str:
    """A new ULID; ``now`` is in epoch seconds, the clock's time by default."""
    milliseconds = int((time.time() if now is None else now) * 1000)
    number = milliseconds << 80 | secrets.randbits(80)
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(LENGTH)))


def is_ulid(text: str) -> bool:
    """Is ``text`` written as a ULID?"""
    return PATTERN.fullmatch(text) is not None
