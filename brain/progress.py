"""Progress of long work on a terminal's standard error; nothing where there is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

Tell = Callable[[str, int, int], None]  # what is done now, steps done, steps in all


@contextmanager
def bar() -> Iterator[Tell]:
    """A bar that is drawn anew with each call, and gone afterwards."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        line = progress.add_task("", total=None)

        def tell(what: str, done: int, total: int) -> None:
            progress.update(line, description=what, completed=done, total=total)

        yield tell
