"""How fast a million job records become failure matrices, in how much memory, beside plain code.

**Synthetic**: the records are made up, as many workflows, codes and sites as CMS published (7,582
of them, 54 codes, 142 sites). Each road runs in a process of its own, reads its file and ends with
the sparse matrix. The last line is one JSON object: of each road seconds, rss_mb (peak) and
rss_mb_before (libraries loaded, nothing read), tasks, cells; ratio (plain seconds over those of
the database on the same file), same (tasks and matrices of the tables are equal to the last bit),
histories_same (likewise those of sacct and condor_history, which know no status of sites).
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from jobmend.classifier.failures.history.job_records import Counted

WORKFLOWS, CODES, SITES = 7582, 54, 142
CHUNK = 50_000
FILES = {
    "plain": "runs.csv",
    "duckdb_csv": "runs.csv",
    "duckdb_parquet": "runs.parquet",
    "duckdb_sacct": "sacct.txt",
    "duckdb_condor": "history.json",
}


def records(n: int, seed: int) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
    """Columns of made-up runs, chunk by chunk: a workflow fails in few ways, at few sites."""
    rng = np.random.default_rng(seed)
    site_of = rng.integers(0, SITES, (WORKFLOWS, 4))
    code_of = rng.zipf(1.5, (WORKFLOWS, 3)) % CODES
    for start in range(0, n, CHUNK):
        size = min(CHUNK, n - start)
        workflow = rng.integers(0, WORKFLOWS, size)
        site = site_of[workflow, rng.integers(0, 4, size)]
        code = code_of[workflow, rng.integers(0, 3, size)] + 1
        ended = 1.7e9 + workflow * 3600 + rng.integers(0, 3600, size)
        yield {
            "workflow": workflow,
            "site": site,
            "code": np.where(rng.random(size) < 0.3, 0, code),
            "bad": (site + workflow) % 7 == 0,
            "started": ended - rng.integers(60, 7200, size),
            "ended": ended,
        }


def write(folder: Path, n: int, talk: Console) -> None:
    """The same runs as CSV, Parquet, sacct's output and condor_history's."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parquet = None
    with (
        (folder / "runs.csv").open("w", newline="") as table,
        (folder / "sacct.txt").open("w") as sacct,
        (folder / "history.json").open("w") as condor,
    ):
        rows = csv.writer(table)
        header = ("cluster", "workflow", "site", "code", "status", "started", "ended")
        rows.writerow(header)
        sacct.write("JobIDRaw|User|Partition|State|ExitCode|Start|End|JobName\n")
        chunks = track(records(n, seed=1), "records", -(-n // CHUNK), console=talk)
        for number, chunk in enumerate(chunks):
            lines = [
                ("c", f"reco-{w}", f"T2_{s}", f"exit:{c}", "bad" if bad else "good", start, end)
                for w, s, c, bad, start, end in zip(*map(np.ndarray.tolist, chunk.values()))
            ]
            rows.writerows(lines)
            batch = pa.table(dict(zip(header, map(list, zip(*lines)), strict=True)))
            parquet = parquet or pq.ParquetWriter(folder / "runs.parquet", batch.schema)
            parquet.write_table(batch)
            for at, line in enumerate(lines, start=number * CHUNK + 1):
                sacct.write(sacct_row(at, *line))
                condor.write(("[" if at == 1 else ",\n") + condor_ad(at, *line))
        condor.write("]\n")
    if parquet:
        parquet.close()


def sacct_row(
    job: int, _: str, workflow: str, site: str, code: str, __: str, start: float, end: float
) -> str:
    """One line of sacct."""
    number = code.partition(":")[2]
    state = "FAILED" if number != "0" else "COMPLETED"
    return f"{job}|ann|{site}|{state}|{number}:0|{start:.0f}|{end:.0f}|{workflow}\n"


def condor_ad(
    job: int, _: str, workflow: str, site: str, code: str, __: str, start: float, end: float
) -> str:
    """One ad of a job's history."""
    ad = {"ClusterId": job, "ProcId": 0, "GlobalJobId": f"schedd#{job}.0#1", "Owner": "ann"}
    ad |= {"JobBatchName": workflow, "JobStatus": 4, "ExitBySignal": False}
    ad |= {"ExitCode": int(code.partition(":")[2]), "MATCH_GLIDEIN_Site": site}
    ad |= {"JobCurrentStartDate": int(start), "CompletionDate": int(end)}
    return json.dumps(ad)


def read_plainly(path: Path) -> Counted:
    """A loop over the lines of the CSV file."""
    from jobmend.classifier.failures.history.bulk_tables import JobRecord, count_plainly

    with path.open(newline="") as file:
        return count_plainly(
            JobRecord(
                row["cluster"],
                row["workflow"],
                row["site"],
                row["code"],
                row["status"],
                started=float(row["started"]),
                ended=float(row["ended"]),
            )
            for row in csv.DictReader(file)
        )


def road(name: str, path: Path, memory: str, threads: int) -> dict[str, Any]:
    """In a process of its own: from the file to the matrix."""
    from jobmend.classifier.failures.history.bulk import Limits
    from jobmend.classifier.failures.history.bulk_htcondor import read_condor_history
    from jobmend.classifier.failures.history.bulk_slurm import read_sacct
    from jobmend.classifier.failures.history.bulk_tables import read_table
    from jobmend.classifier.failures.matrix import Vocabulary, encode

    limits = Limits(memory, threads)
    read: dict[str, Callable[[], Counted]] = {
        "plain": lambda: read_plainly(path),
        "duckdb_csv": lambda: read_table(path, limits),
        "duckdb_parquet": lambda: read_table(path, limits),
        "duckdb_sacct": lambda: read_sacct(path, "c", limits=limits),
        "duckdb_condor": lambda: read_condor_history(path, "c", limits=limits),
    }
    before = peak_mb()
    began = time.perf_counter()
    counted = read[name]()
    read_seconds = time.perf_counter() - began
    matrix = encode(counted.tasks, Vocabulary.learn(counted.tasks))
    seconds = time.perf_counter() - began
    return {
        "seconds": round(seconds, 2),
        "read_seconds": round(read_seconds, 2),
        "rss_mb": peak_mb(),
        "rss_mb_before": before,
        "runs": counted.runs,
        "skipped": counted.skipped,
        "tasks": len(counted.tasks),
        "cells": sum(len(task.cells) for task in counted.tasks),
        "shape": list(matrix.shape),
        "digest": digest(counted, matrix),
    }


def peak_mb() -> float:
    """Peak resident memory of this program; getrusage would tell its parent's too."""
    status = Path("/proc/self/status").read_text()
    return round(int(status.partition("VmHWM:")[2].split()[0]) / 1024, 1)


def digest(counted: Counted, matrix: Any) -> str:
    """What tells two results apart."""
    found = hashlib.sha256()
    for task in counted.tasks:
        told = (task.name, sorted(task.cells.items()), sorted(task.features.items()), task.time)
        found.update(repr(told).encode())
    matrix.sort_indices()
    for part in (matrix.indptr, matrix.indices, matrix.data):
        found.update(part.tobytes())
    return found.hexdigest()[:16]


def measure(n: int, memory: str, threads: int, talk: Console) -> dict[str, Any]:
    """All roads over the same runs."""
    roads = {}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), n, talk)
        for name, file in track(FILES.items(), "roads", len(FILES), console=talk):
            path = Path(folder, file)
            argv = [sys.executable, __file__, "--road", name, str(path)]
            argv += ["--memory", memory, "--threads", str(threads)]
            done = subprocess.run(argv, check=True, stdout=subprocess.PIPE)
            roads[name] = {**json.loads(done.stdout), "file_mb": path.stat().st_size // 2**20}
    same = {roads[name]["digest"] for name in ("plain", "duckdb_csv", "duckdb_parquet")}
    return {
        "synthetic": True,
        "records": n,
        "memory_limit": memory,
        "threads": threads,
        "roads": roads,
        "ratio": round(roads["plain"]["seconds"] / roads["duckdb_csv"]["seconds"], 2),
        "same": len(same) == 1 and all(each["runs"] == n for each in roads.values()),
        "histories_same": roads["duckdb_sacct"]["digest"] == roads["duckdb_condor"]["digest"],
    }


def main() -> None:
    """Measure, and print the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000, help="runs [1000000]")
    parser.add_argument("--memory", default="1GB", help="DuckDB's memory_limit [1GB]")
    parser.add_argument("--threads", type=int, default=2, help="DuckDB's threads [2]")
    parser.add_argument("--road", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.road:
        name, path = options.road
        print(json.dumps(road(name, Path(path), options.memory, options.threads)))
        return
    found = measure(options.records, options.memory, options.threads, Console(stderr=True))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
