"""The subjects of a turn, as the configuration has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...jobs.windows import TraceWindow
from ..config import BrainConfig
from ..models.shelf import FAILURES, TRACES
from ..store import Store
from .subject import Subject


class Named:
    """The source of traces that the configuration names, asked for when it is read.

    A server that does not answer then is a failure of that turn alone.
    """

    def __init__(self, config: BrainConfig) -> None:
        """Ask nobody yet."""
        self._config = config

    def windows(self, since: float, until: float) -> Iterator[TraceWindow]:
        """As :class:`..sources.source.TraceSource`; PromError where a server does not answer."""
        from ..sources.choosing import source_of

        yield from source_of(self._config).windows(since, until)


def traces(store: Store, config: BrainConfig) -> Subject[Any]:
    """Windows of trace."""
    from .traces.subject import Traces

    return Traces(store, Named(config), config.learning)


def failures(store: Store, config: BrainConfig) -> Subject[Any]:
    """Failed tasks that operators decided about."""
    from .failures.subject import Failures

    return Failures(store, config)


MADE: dict[str, Callable[[Store, BrainConfig], Subject[Any]]] = {
    TRACES: traces,
    FAILURES: failures,
}
