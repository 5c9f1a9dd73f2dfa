"""Reading a long history in slices of time, so that few of its ads are in memory at once.

A schedd answers with the newest ad first, as they stand in its files. That is nearly by time, but a
job may be written long after its end: so slices are cut by time, not by place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Ad = Mapping[str, Any]
Fetch = Callable[[float, float, int], "list[Ad]"]  # since, until (excluded), at most so many or -1

SLICE = 20_000  # ads


def newest_first(
    fetch: Fetch, moment: str, since: float, until: float, size: int = SLICE
) -> Iterator[Ad]:
    """The ads whose attribute ``moment`` is from ``since`` on and before ``until``.

    About ``size`` of them are in memory at a time, however many there are.
    """
    while True:
        ads = fetch(since, until, size)
        if len(ads) < size:
            yield from ads
            return
        times = sorted(_number(ad[moment]) for ad in ads)
        del ads
        # Not the earliest: a single straggler could be from years ago.
        cut = times[len(times) // 20]
        if not since < cut < until:
            yield from fetch(since, until, -1)
            return
        yield from fetch(cut, until, -1)
        until = cut


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0  # what else a user wrote
