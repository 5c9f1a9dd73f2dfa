"""From takes to a data set: windows, run summaries and the data card, split by run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from jobmend.classifier.traces.dataset import CARD, HEALTHY, RUNS, WINDOWS, Recorded, write
from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent, TraceSummary
from jobmend.jobs.windows import TraceWindow

from .card import card
from .plan import HANG_AFTER_SECONDS
from .takes import Take

NODE = "n1"  # all were recorded on one machine, whatever its schedulers call it
# By repeats in turns: known before anything is measured, and runs of one slot stay together.
TURNS = ("train", "validation", "test", "train", "train")


@dataclass(frozen=True)
class RecordedRun:
    """One run of the data set: what it was, its windows, and what its end says.

    ``key`` names it by the plan: a testbed that starts anew gives the same job ids again.
    """

    key: str
    take: Take
    split: str
    windows: tuple[TraceWindow, ...]
    end: JobEvent

    @property
    def fault_start(self) -> float | None:
        """When the fault began, as the plan has it; None for a healthy run."""
        if self.take.fault == HEALTHY or self.end.trace is None:
            return None
        started = self.end.time - self.end.trace.duration_seconds
        return started + (HANG_AFTER_SECONDS if self.take.fault == "hang" else 0.0)

    def recorded(self) -> Iterator[Recorded]:
        """Its windows with what is known of them."""
        take = self.take
        for told in self.windows:
            owners = tuple(None if owner is None else self.key for owner in told.owners)
            window = replace(told, node=NODE, owners=owners)
            yield Recorded(
                self.key, take.job_type, take.fault, self.split, self.fault_start, window
            )

    def row(self) -> dict[str, object]:
        """Its summary: what a run table holds of it; None where it was not measured."""
        named = {"run": self.key, "job_type": self.take.job_type, "fault": self.take.fault}
        told = {
            "split": self.split,
            "faulty": self.take.fault != HEALTHY,
            "slot": f"{self.take.scheduler}-{self.take.began:.3f}",
            "scheduler": self.take.scheduler,
            "exit": self.end.exit.kind.value if self.end.exit is not None else "unknown",
        }
        return {**named, **told, **summary_of(self.end.trace)}


def summary_of(trace: TraceSummary | None) -> dict[str, float | None]:
    """The numbers of a summary, all as float."""
    numbers: dict[str, float | None] = {}
    for field in fields(TraceSummary):
        value = getattr(trace, field.name, None)
        if not isinstance(value, str) and not field.name.startswith("anomaly"):
            numbers[field.name] = None if value is None else float(value)
    return numbers


def recorded_runs(takes: Sequence[Take]) -> list[RecordedRun]:
    """The complete runs."""
    runs: list[RecordedRun] = []
    places: Counter[str] = Counter()
    for take in takes:
        slot = f"recorded/{take.scheduler}/{take.job_type}-{take.fault}/{take.repeat:03d}"
        key = f"{slot}.{places[slot]}"
        places[slot] += 1
        messages = [wire.read_message(document) for document in take.documents]
        windows = tuple(one for one in messages if isinstance(one, TraceWindow))
        ends = [one for one in messages if isinstance(one, JobEvent) and is_end(one)]
        if not windows or not ends:
            continue
        split = TURNS[take.repeat % len(TURNS)]
        runs.append(RecordedRun(key, take, split, windows, ends[-1]))
    return runs


def is_end(event: JobEvent) -> bool:
    """Is it the end of a run that was measured?"""
    return event.kind is EventKind.END and event.trace is not None


def assemble(takes: Sequence[Take], out: Path, note: str = "") -> dict[str, int]:
    """Write windows, runs and card of the takes into ``out``; how many of each there are."""
    runs = recorded_runs(takes)
    if not runs:
        return {"runs": 0, "windows": 0}
    out.mkdir(parents=True, exist_ok=True)
    recorded = [one for run in runs for one in run.recorded()]
    write(out / WINDOWS, recorded)
    table = pa.Table.from_pylist([run.row() for run in runs])
    pq.write_table(table, out / RUNS, compression="zstd")
    (out / CARD).write_text(card(runs, note))
    return {"runs": len(runs), "windows": len(recorded)}
