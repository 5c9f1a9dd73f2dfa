"""A campaign: workflows fail on purpose, jobmend advises, an operator agrees, outcomes are checked.

Everything is real: processes, cgroups, brain, agent, models. The last line is one JSON object, the
report a list of objects ``workflow, cause, action, parameters, probability, applied, outcome``.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from campaigns.scenarios import WORKLOADS, Scenario, beside_neighbours, failing, healthy
from campaigns.slurm_stage import CLUSTER, drained_nodes, slurm
from campaigns.stand import Stand, until
from campaigns.submitters import LocalSubmitter, SlurmSubmitter, Submitter
from nodes.cgroups import sweep
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

ENDED = ("verified", "failed", "rejected", "expired")
POLL_SECONDS = 1.0  # a brain that is asked more often disturbs the jobs on a small machine
ROUNDS = 2  # recommendations followed per workflow
MORE_ROUNDS = 5  # of healthy work, where what was recorded is not enough to learn from
QUICK = ("--arms", "majority,xgboost", "--examples", "1500", "--no-track")  # no contest to wait for


@dataclass
class Row:
    """What came of one scenario; the report holds these fields."""

    workflow: str
    cause: str
    action: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    probability: float | None = None
    applied: bool = False
    outcome: str = "no advice"
    advised_cause: str = ""
    seen: str = ""


class Campaign:
    """Plays scenarios on a stand and acts as the operator who approves every advice."""

    def __init__(self, stand: Stand, submitter: Submitter, talk: Console) -> None:
        """Submit through ``submitter``; progress and words go to ``talk``."""
        self._stand = stand
        self._submitter = submitter
        self._talk = talk

    def play(self, scenarios: Sequence[Scenario], title: str, seconds: float) -> list[Row]:
        """Run all scenarios at once and follow each to its end; late ones keep their last state."""
        rows = {scenario.workflow: Row(scenario.workflow, scenario.cause) for scenario in scenarios}
        waiting = {scenario.workflow: scenario for scenario in scenarios}
        end = time.monotonic() + seconds
        with self._progress() as bar:
            task = bar.add_task(title, total=len(rows))
            with neighbours_of(scenarios):
                for scenario in scenarios:
                    for job in scenario.jobs:
                        self._submitter.submit(scenario.workflow, job)
                while waiting and time.monotonic() < end:
                    told = self._recommendations()
                    for workflow in [name for name in waiting if self._follow(rows[name], told)]:
                        del waiting[workflow]
                        bar.advance(task)
                    time.sleep(POLL_SECONDS)
        return list(rows.values())

    def _follow(self, row: Row, told: Sequence[dict[str, Any]]) -> bool:
        """Look at one workflow, approve what is proposed for it; True when nothing more comes."""
        name = self._submitter.name_of(row.workflow)
        own = [one for one in told if one["workflow"]["name"] == name]
        if not own:
            return row.cause == "healthy" and self._settled(name)
        newest = max(own, key=lambda one: int(one["id"]))
        describe(row, newest)
        if row.action == "ask":  # nobody is there to be asked
            return True
        if newest["state"] == "proposed" and len(own) <= ROUNDS:
            self._stand.command("apply", str(newest["id"]), check=False)
            return False
        return newest["state"] in ENDED and (row.outcome != "failure" or len(own) >= ROUNDS)

    def _recommendations(self) -> list[dict[str, Any]]:
        answer: dict[str, Any] = self._stand.get("/api/v1/recommendations")
        recommendations: list[dict[str, Any]] = answer["recommendations"]
        return recommendations

    def _settled(self, workflow: str) -> bool:
        jobs = self._stand.get(f"/api/v1/jobs?workflow={workflow}")["jobs"]
        newest = max((job["ended"] or time.time() for job in jobs), default=time.time())
        return time.time() - newest > 4

    def _progress(self) -> Progress:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        return Progress(*columns, console=self._talk, refresh_per_second=2)


def describe(row: Row, recommendation: dict[str, Any]) -> None:
    """Write what a recommendation says into the row."""
    advice = recommendation["advice"]
    action = dict(advice["action"])
    row.action = action.pop("kind")
    row.parameters = {name: value for name, value in action.items() if value}
    row.probability = round(advice["probabilities"][row.action], 3)
    row.applied = recommendation["state"] in ("applied", "verified")
    row.outcome = recommendation["outcome"] or recommendation["state"]
    row.advised_cause = advice["cause"]
    row.seen = advice["evidence"][0]["text"].partition(": ")[2] if advice["evidence"] else ""


@contextmanager
def neighbours_of(scenarios: Sequence[Scenario]) -> Iterator[None]:
    """The disturbing processes of the scenarios, ended at the latest with the block."""
    started = [
        subprocess.Popen(
            [sys.executable, WORKLOADS / scenario.neighbour[0], *scenario.neighbour[1:]]
        )
        for scenario in scenarios
        if scenario.neighbour
    ]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
            process.wait()


def show(rows: Sequence[Row], talk: Console) -> None:
    """The table a person reads."""
    table = Table(title="What jobmend made of it", title_justify="left")
    for column in ("workflow", "injected cause", "what the agent and brain saw", "advice"):
        table.add_column(column, overflow="fold")
    for column in ("p", "applied", "outcome"):
        table.add_column(column, justify="right" if column == "p" else "left", no_wrap=True)
    for row in rows:
        advice = " ".join([row.action or "-", *(words(*pair) for pair in row.parameters.items())])
        outcome = "verified" if row.outcome == "success" else row.outcome
        table.add_row(
            row.workflow,
            row.cause,
            row.seen or "nothing odd",
            advice,
            "-" if row.probability is None else f"{row.probability:.2f}",
            "yes" if row.applied else "-",
            outcome,
        )
    talk.print(table)


def words(name: str, value: Any) -> str:
    """A parameter as a person would write it."""
    if name == "memory_bytes":
        return f"memory={value / 2**20:.0f}M"
    if name == "walltime_seconds":
        return f"time={value:.0f}s"
    return f"{name}={','.join(value) if isinstance(value, list) else value}"


def miscounted(root: Path) -> list[str]:
    """Runs of the local queue that the brain did not hear start and end just once each."""
    ends = f"file:{root}/local/queue.db?mode=ro", f"file:{root}/brain.db?mode=ro"
    queue, brain = (sqlite3.connect(end, uri=True) for end in ends)
    with closing(queue), closing(brain):
        runs = [run for (run,) in queue.execute("SELECT run FROM jobs")]
        told = Counter(
            (key.split("/")[3], kind)
            for key, kind in brain.execute(
                "SELECT run, kind FROM events WHERE key NOT LIKE '%/'"  # told by a node
            )
        )
    wanted = [(run, kind) for run in runs for kind in ("start", "end")]
    return [f"{run}: {told[run, kind]} {kind}" for run, kind in wanted if told[run, kind] != 1]


def local_campaign(options: argparse.Namespace, talk: Console) -> list[Row]:
    """The whole campaign on this machine's local plugin."""
    with tempfile.TemporaryDirectory(prefix="jobmend-") as directory:
        root = Path(directory)
        os.environ["JOBMEND_LOCAL_DIR"] = str(root / "local")
        os.environ["JOBMEND_HOOK_SOCKET"] = str(root / "hook.sock")
        sweep()
        if not options.measured:
            os.environ["JOBMEND_CGROUP_ROOT"] = str(root / "no-cgroups")
        schedulers = f'[schedulers.local]\ncluster = "local"\nstate_dir = "{root}/local"'
        with Stand(root, cluster="local", schedulers=schedulers, sample_seconds=0.2) as stand:
            say_where(stand, talk, options.measured)
            campaign = Campaign(stand, LocalSubmitter(stand), talk)
            stand.command("learn", "failures", "--config", str(stand.brain_config), *QUICK)
            rows = campaign.play(healthy(), "healthy work", 90)
            if options.measured:
                learn_traces(stand, campaign)
            if options.kill_brain:
                stand.kill_brain()
                stand.start_brain()
            rows += campaign.play(failing(root), "injected causes", 120)
            for scenario in beside_neighbours():
                if options.measured:
                    rows += campaign.play([scenario], scenario.cause, 60)
                else:
                    rows.append(Row(scenario.workflow, scenario.cause, outcome="not measured"))
            until(lambda: not miscounted(root), 60, "each start and end told once")
    return rows


def learn_traces(stand: Stand, campaign: Campaign) -> None:
    """Train on the healthy work. On a busy machine some of it waits for a CPU and is warned of, so
    that too little is left to learn from: then there is more of it, some rounds at most.
    """
    words = ("learn", "traces", "--config", str(stand.brain_config))
    for again in range(1, MORE_ROUNDS + 1):
        if stand.command(*words, check=False).returncode == 0:
            return
        campaign.play(healthy(), f"healthy work, {again} more", 90)
    stand.command(*words)


def say_where(stand: Stand, talk: Console, measured: bool = True) -> None:
    """Where to look meanwhile, and what this machine does not let us see."""
    talk.print(f"panel    {stand.brain_url}/\nmetrics  {stand.metrics_url}")
    if not measured:
        talk.print(
            "Jobs get no cgroups of their own (that takes root), so nothing is measured of them:"
            " no CPU, no pressure, no stalls, no contention. Limits of memory and time are kept."
        )


def slurm_campaign(talk: Console) -> list[Row]:
    """A shorter one on a real Slurm: no neighbours, no time limit (Slurm counts minutes)."""
    with slurm() as root:
        schedulers = f'''[schedulers.slurm]
cluster = "{CLUSTER}"
workflow_from = ["comment", "name"]'''
        with Stand(root, cluster=CLUSTER, schedulers=schedulers, sample_seconds=0.2) as stand:
            say_where(stand, talk)
            campaign = Campaign(stand, SlurmSubmitter(root), talk)
            rows = campaign.play(failing(root, walltime=False), "injected causes", 150)
        if drained := drained_nodes():
            raise SystemExit(f"drained nodes: {drained}")
    return rows


def unmended(rows: Sequence[Row], scenarios: Sequence[Scenario]) -> list[str]:
    """The workflows that were to be mended and were not."""
    mendable = {scenario.workflow for scenario in scenarios if scenario.mends}
    mended = {row.workflow for row in rows if (row.action, row.outcome) == ("recover", "success")}
    return sorted(mendable & {row.workflow for row in rows} - mended)


def main() -> int:
    """Play the campaign; 0 when every workflow that can be mended ended well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scheduler", choices=("local", "slurm"), default="local")
    parser.add_argument("--report", type=Path, default=Path("demo-report.json"))
    parser.add_argument("--kill-brain", action="store_true", help="kill -9 the brain in the middle")
    parser.add_argument(
        "--unmeasured",
        dest="measured",
        action="store_false",
        default=os.geteuid() == 0,
        help="give the jobs no cgroups, as for a user who is not root",
    )
    options = parser.parse_args()
    talk = Console(width=None if sys.stdout.isatty() else 150)
    began = time.monotonic()
    rows = local_campaign(options, talk) if options.scheduler == "local" else slurm_campaign(talk)
    show(rows, talk)
    options.report.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    with tempfile.TemporaryDirectory() as scratch:
        left = unmended(rows, failing(Path(scratch)))
    talk.print(f"The report is in {options.report}.")
    seconds = round(time.monotonic() - began, 1)
    print(json.dumps({"workflows": len(rows), "unmended": left, "seconds": seconds}))
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
