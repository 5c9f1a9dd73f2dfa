"""Quantities as people read them."""

from __future__ import annotations

MEBIBYTE = 1024 * 1024


def size(amount: int) -> str:
    """Bytes as ``100 MiB``, or ``1.5 GiB`` from one GiB on."""
    mebibytes = amount / MEBIBYTE
    return f"{mebibytes / 1024:.1f} GiB" if mebibytes >= 1024 else f"{mebibytes:.0f} MiB"


def span(seconds: float) -> str:
    """Seconds as ``52 s``, or ``1.5 h`` from one hour on."""
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.3g} s"


def percent(share: float) -> str:
    """A share (0..1) as ``31 %``."""
    return f"{100 * share:.0f} %"
