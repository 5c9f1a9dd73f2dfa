"""Sizes and times as people write them: ``300M``, ``2G``, ``90``, ``5:00``, ``1:30:00``."""

from __future__ import annotations

import re

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)([KMGT]?)(?:I?B)?", re.ASCII | re.IGNORECASE)
_TIME = re.compile(r"(?:(?:(\d{1,6}):)?(\d{1,6}):)?(\d{1,9}(?:\.\d{1,6})?)", re.ASCII)


def parse_size(text: str) -> int:
    """Bytes of ``300M`` or ``2G`` (powers of 1024); ValueError when it is no size above 0."""
    match = _SIZE.fullmatch(text)
    size = int(float(match[1]) * UNITS[match[2].upper()]) if match else 0
    if size <= 0:
        raise ValueError(f"{text[:40]!r} is no size; write it as 300M or 2G")
    return size


def show_size(size: int) -> str:
    """Bytes in the largest unit that leaves no rest: ``300M``, ``2G``, ``1001 bytes``."""
    letter, unit = next(
        (letter, unit) for letter, unit in reversed(UNITS.items()) if size % unit == 0
    )
    return f"{size // unit}{letter}" if letter else f"{size} bytes"


def parse_time(text: str) -> float:
    """Seconds of ``90``, ``5:00`` or ``1:30:00``; ValueError when it is no time above 0."""
    match = _TIME.fullmatch(text)
    hours, minutes, seconds = match.groups() if match else ("", "", "0")
    total = int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)
    if total <= 0:
        raise ValueError(f"{text[:40]!r} is no time; write it as 90 (seconds), 5:00 or 1:30:00")
    return total
