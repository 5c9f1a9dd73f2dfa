"""Where the installed ``jobmend`` and ``jobmend-brain`` begin.

A plain ``pip install jobmend`` is the node's: what the brain needs comes with an extra, and these
two say so where it is not there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


def operators() -> None:
    """``jobmend``: the operators' command line."""
    with _libraries("jobmend"):
        from .cli.program import main
    main()


def service() -> int:
    """``jobmend-brain``: the central service; its exit status."""
    with _libraries("jobmend-brain"):
        from .__main__ import main
    return main()


@contextmanager
def _libraries(program: str) -> Iterator[None]:
    """Exit with 2, in a sentence, where somebody else's module is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "jobmend":
            raise
        print(
            f"{program}: {error.name} is not installed; all that operators and the brain need"
            " comes with: pip install 'jobmend[brain]' (Python 3.11)",
            file=sys.stderr,
        )
        sys.exit(2)
