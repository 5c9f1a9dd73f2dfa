"""Do all hook events arrive? Thousands of them through a real agent into a real brain.

They are sent as hooks send them, one datagram each, at a steady rate or, where a beat was missed,
as fast as can be. The last line is one JSON object: sent, refused (turned away at the socket: such
a hook's event is lost), delivered, doubled, lost, seconds (until the brain had the last), rate, and
duplicates (sent twice by the agent, taken once by the brain). Exit status 1 where one was lost or
doubled.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from campaigns.stand import Stand, until
from rich.progress import track

from jobmend.jobs import wire
from jobmend.jobs.events import EventKind, JobEvent, JobFacts
from jobmend.jobs.exits import slurm_exit
from jobmend.jobs.identity import Run
from jobmend.plugins.hook import tell

CLUSTER, NODE = "bench", "n1"
PATIENCE_SECONDS = 120.0


def events(count: int) -> Iterator[JobEvent]:
    """START and END, in turn, of so many different runs."""
    for number in range(count):
        run = Run(CLUSTER, "slurm", str(number // 2 + 1), "0")
        facts = JobFacts(site="main", user="ada", comment="reco")
        if number % 2:
            yield JobEvent(EventKind.END, run, time.time(), NODE, facts, slurm_exit("", 0, 0))
        else:
            yield JobEvent(EventKind.START, run, time.time(), NODE, facts)


def send(socket: Path, count: int, rate: float) -> tuple[list[str], int]:
    """Send ``count`` events at ``rate`` a second; the keys of those taken, how many were not."""
    taken, refused = [], 0
    began = time.monotonic()
    for number, event in enumerate(track(events(count), "events", total=count)):
        time.sleep(max(began + number / rate - time.monotonic(), 0.0))
        if tell(wire.event_body(event), str(socket)):
            taken.append(event.key)
        else:
            refused += 1
    return taken, refused


def keys(database: Path) -> list[str]:
    """The keys of this bench's events in the brain."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as store:
        rows = store.execute("SELECT key FROM events WHERE run LIKE ?", (f"{CLUSTER}/%",))
        return [str(row[0]) for row in rows]


def runs(database: Path) -> int:
    """How many runs of this bench the brain knows."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as store:
        query = "SELECT count(*) FROM runs WHERE cluster = ?"
        return int(store.execute(query, (CLUSTER,)).fetchone()[0])


def measure(root: Path, count: int, rate: float) -> dict[str, float]:
    """Send, wait for the last, and compare."""
    elsewhere = f'[schedulers.local]\ncluster = "elsewhere"\nstate_dir = "{root}/local"'
    with Stand(root, cluster=CLUSTER, schedulers=elsewhere, sample_seconds=1.0) as stand:
        began = time.monotonic()
        taken, refused = send(stand.hook_socket, count, rate)
        sending = time.monotonic() - began
        database = root / "brain.db"
        try:
            until(lambda: len(keys(database)) >= len(taken), PATIENCE_SECONDS, "all", every=0.2)
        except TimeoutError as error:
            print(error, file=sys.stderr)
        seconds = time.monotonic() - began
        stored, known = keys(database), runs(database)
        duplicates = _duplicates(stand)
    wanted = len({key.rpartition("/")[0].rpartition("/")[0] for key in taken})
    return {
        "sent": count,
        "refused": refused,
        "delivered": len(set(stored) & set(taken)),
        "doubled": len(stored) - len(set(stored)) + max(known - wanted, 0),
        "lost": count - len(set(stored) & set(taken)),
        "seconds": round(seconds, 1),
        "rate": round(count / sending),
        "duplicates": duplicates,
    }


def _duplicates(stand: Stand) -> int:
    """What the agent's page says was sent to the brain twice."""
    import httpx2

    wanted = 'jobmend_agent_uplink_messages_total{result="duplicate"} '
    page = httpx2.get(stand.metrics_url, timeout=10).text
    found = [line[len(wanted) :] for line in page.splitlines() if line.startswith(wanted)]
    return int(float(found[0])) if found else 0


def main() -> int:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000, help="(default: 10000)")
    parser.add_argument("--rate", type=float, default=500.0, help="a second (default: 500)")
    parser.add_argument("--quick", action="store_true", help="2000 events")
    options = parser.parse_args()
    count = 2000 if options.quick else options.events
    with tempfile.TemporaryDirectory(prefix="jm") as directory:
        os.chmod(directory, 0o755)
        report = measure(Path(directory), count, options.rate)
    print(json.dumps(report))
    return int(bool(report["lost"] or report["doubled"]))


if __name__ == "__main__":
    raise SystemExit(main())
