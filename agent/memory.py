"""How much free memory glibc keeps, see mallopt(3): little in the agent, some in the scorer.

With threads, malloc makes arenas of their own for them, each with its own free space. The agent's
threads hardly ever allocate at the same time, so one arena serves them all. Large pieces are mapped
one by one and unmapped when they are free. The scorer is where that would be too dear.
"""

from __future__ import annotations

import gc
import logging
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -2, -3, -8  # <malloc.h>
_LARGE = 64 * 1024  # bytes; such as a page of metrics, whose memory goes back at once
_OF_A_WINDOW = 16 * 1024 * 1024  # bytes; what ten networks need for 128 threads, and some more

# What only the start needs. Their memory stays with the process, and jobs are measured in it.
_OF_THE_START = ("argparse", "gettext", "tomllib", "tomllib._parser", "tomli", "tomli._parser")

log = logging.getLogger(__name__)


def keep_small() -> None:
    """Let all threads of this process share one arena; call it before any is started."""
    _call("mallopt", _M_ARENA_MAX, 1)
    _call("mallopt", _M_MMAP_THRESHOLD, _LARGE)
    _call("mallopt", _M_TRIM_THRESHOLD, _LARGE)
    _call("mallopt", _M_TOP_PAD, _LARGE // 4)


def keep_for_the_next_window() -> None:
    """Keep as much free memory as a window needs: to get it anew costs as much as the scoring."""
    _call("mallopt", _M_MMAP_THRESHOLD, _OF_A_WINDOW)
    _call("mallopt", _M_TRIM_THRESHOLD, _OF_A_WINDOW)


def forget_the_start() -> None:
    """Unload what only the start needs, and give free memory back to the kernel."""
    for name in _OF_THE_START:
        sys.modules.pop(name, None)
    gc.collect()
    _call("malloc_trim", 0)


def _call(name: str, *numbers: int) -> None:
    try:
        import ctypes

        getattr(ctypes.CDLL(None), name)(*numbers)
    except (ImportError, OSError, AttributeError) as error:  # another C library than glibc
        log.debug("%s is not there: %s", name, error)
