"""What the commands of all studies share: options, one thread, a bar, files and the last line."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from studies.keeping import as_json, write

from jobmend.classifier.failures.reporting.report import Section
from jobmend.classifier.traces.dataset import DatasetError

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "traces"
Advance = Callable[[], None]


@dataclass(frozen=True)
class Options:
    """What the command line said; ``quick`` runs are for tests, their figures mean nothing."""

    data: Path
    out: Path | None
    seeds: int
    quick: bool


Study = Callable[[Options, argparse.Namespace], Section]  # the rest of the line is its own


def parser(about: str | None, seeds: int) -> argparse.ArgumentParser:
    """The options that all studies have; ``seeds`` is how many there are usually."""
    found = argparse.ArgumentParser(description=about)
    found.add_argument("--data", type=Path, default=DATA, help="folder of a data set of traces")
    found.add_argument("--out", type=Path, help="folder for the study's JSON and pictures")
    found.add_argument("--seeds", type=int, default=seeds, help=f"splits and seeds [{seeds}]")
    found.add_argument("--quick", action="store_true", help="tiny, to see that it runs")
    return found


def conduct(about: argparse.ArgumentParser, study: Study) -> None:
    """Read the command line, make the study on one thread, and tell it.

    A sentence and exit code 1 where there are too few seeds or the data set cannot be used.
    """
    told = about.parse_args()
    if told.seeds < 1:
        sys.exit("--seeds: at least 1 is needed; give 2 or more for intervals")
    options = Options(told.data, told.out, told.seeds, told.quick)
    one_thread()
    begun = time.perf_counter()
    try:
        found = study(options, told)
    except DatasetError as error:
        sys.exit(str(error))
    tell(found, options, begun)


def one_thread() -> None:
    """Torch, BLAS and numba work on one thread: others share the machine."""
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    torch.set_num_threads(1)
    threadpool_limits(1)


@contextmanager
def bar(words: str, total: int) -> Iterator[Advance]:
    """A progress bar on stderr."""
    with Progress(console=Console(stderr=True)) as progress:
        line = progress.add_task(words, total=total)
        yield lambda: progress.advance(line)


def tell(section: Section, options: Options, begun: float) -> None:
    """Keep the study in ``--out``, and print it as the JSON object that ends the output."""
    found = as_json(section) | {
        "seconds": round(time.perf_counter() - begun, 1),
        "quick": options.quick,
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "date": time.strftime("%Y-%m-%d"),
    }
    if options.out is not None:
        write(options.out, section, found)
    talk = Console(stderr=True)
    for sentence in section.paragraphs:
        talk.print(sentence, highlight=False, markup=False)
    print(json.dumps(found))
