"""The shipped hooks on a real pool: what they tell of each end, and that no job suffers by them."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from functools import partial

import psutil
import pytest

from jobmend.agent.standing import Standing, render
from jobmend.jobs.events import EventKind, JobEvent
from jobmend.jobs.exits import ExitKind
from tests.agent.running import until
from tests.plugins.htcondor.conftest import Pool

pytestmark = pytest.mark.condor

LONG = "sleep 300"
RUNNING, REMOVED, COMPLETED, HELD = 2, 3, 4, 5
HOG = 'exec python3 -c "x = bytearray(600 << 20); import time; time.sleep(60)"'


@dataclass(frozen=True)
class End:
    """A job's end: what brings it about, the hook's word, and what the queue says."""

    script: str
    kind: ExitKind
    status: int
    code: int | None = None
    signal: int | None = None
    doing: tuple[str, ...] = ()  # a command about the job, once it runs
    hold_code: str = ""


ENDS = {
    "exit 0": End("exit 0", ExitKind.SUCCESS, COMPLETED, code=0),
    "exit 3": End("exit 3", ExitKind.ERROR, COMPLETED, code=3),
    "signal": End("kill -SEGV $$", ExitKind.SIGNAL, COMPLETED, signal=11),
    "memory": End(HOG, ExitKind.HELD, HELD, signal=9, hold_code="34"),
    "hold": End(LONG, ExitKind.PREEMPTED, HELD, signal=15, doing=("condor_hold",), hold_code="1"),
    "remove": End(LONG, ExitKind.PREEMPTED, REMOVED, signal=15, doing=("condor_rm",)),
    "evict": End(LONG, ExitKind.PREEMPTED, RUNNING, signal=15, doing=("condor_vacate_job",)),
}


@pytest.fixture(scope="module")
def jobs(pool: Pool) -> dict[str, str]:
    """One job of each end, all brought to it."""
    made = {name: pool.submit_one(end.script) for name, end in ENDS.items()}
    for name, end in ENDS.items():
        if end.doing:
            pool.process(made[name])
            pool.inside(*end.doing, made[name])
    return made


def told(pool: Pool, job: str, kind: EventKind) -> list[JobEvent]:
    """The different events of one kind that hooks told of a job, in order."""
    by_key = {event.key: event for event in reversed(pool.hooks.events(job)) if event.kind is kind}
    return list(reversed(by_key.values()))


@pytest.mark.parametrize("name", ENDS)
def test_each_end_is_told_as_a_hook_knows_it(pool: Pool, jobs: dict[str, str], name: str) -> None:
    job, end = jobs[name], ENDS[name]
    until(lambda: told(pool, job, EventKind.END), 120)
    first = told(pool, job, EventKind.END)[0]
    assert first.exit is not None
    assert (first.exit.kind, first.exit.code, first.exit.signal) == (end.kind, end.code, end.signal)
    assert first.run == told(pool, job, EventKind.START)[0].run
    # Executions before it were refused by their slot and never began, which happens to any job.
    assert first.run.run.rpartition("#")[0] == pool.attribute(job, "GlobalJobId").strip('"')
    assert first.run.run.endswith(f"#{first.facts.attempt + 1}")
    assert first.facts.user == pool.user and first.facts.slot.endswith(f"@{pool.node}")
    assert pool.wait(job, end.status) == end.status
    if end.hold_code:
        assert pool.attribute(job, "HoldReasonCode") == end.hold_code


def test_a_job_that_was_evicted_runs_again_as_another_run(pool: Pool, jobs: dict[str, str]) -> None:
    job = jobs["evict"]
    until(lambda: len(told(pool, job, EventKind.START)) > 1, 120)
    first, again = told(pool, job, EventKind.START)[:2]
    starts = int(pool.attribute(job, "NumShadowStarts"))
    assert 0 <= first.facts.attempt < again.facts.attempt < starts
    assert again.run.run.rpartition("#")[2] == str(again.facts.attempt + 1)
    pool.inside("condor_rm", job)


def test_a_shadow_that_comes_back_begins_no_run(pool: Pool) -> None:
    job = pool.submit_one("sleep 40; exit 3")
    pool.process(job)
    schedd = pool.daemon("condor_schedd")
    schedd.kill()
    until(lambda: not schedd.is_running() or schedd.status() == psutil.STATUS_ZOMBIE)
    until(partial(told, pool, job, EventKind.END), 180)
    (start,), (end,) = told(pool, job, EventKind.START), told(pool, job, EventKind.END)
    assert start.run == end.run and end.exit is not None and end.exit.code == 3
    assert pool.wait(job, COMPLETED) == COMPLETED
    counts = ("NumShadowStarts", "NumJobReconnects")
    starts, back = (int(pool.attribute(job, name)) for name in counts)
    assert (back > 0, end.run.run.rpartition("#")[2]) == (True, str(starts - back))


def test_a_job_that_runs_on_tells_its_process(pool: Pool) -> None:
    job = pool.submit_one(LONG, "request_cpus = 2", "allowed_execute_duration = 900")
    event = pool.process(job)
    first = told(pool, job, EventKind.START)[0]
    assert event.key == first.key
    assert (first.facts.request.cpus, first.facts.request.walltime_seconds) == (2, 900)
    assert first.facts.request.memory_bytes == 100 << 20
    with open(f"/proc/{event.facts.pid}/cgroup") as file:
        assert f"_{event.facts.slot}" in file.read()
    pool.inside("condor_rm", job)


def test_each_task_of_an_array_is_a_job(pool: Pool) -> None:
    cluster = pool.submit("exit $(Process)", "batch_name = the array", queue="queue 3")
    for proc in range(3):
        job = f"{cluster}.{proc}"
        until(partial(told, pool, job, EventKind.END), 120)
        (end,) = told(pool, job, EventKind.END)
        assert end.exit is not None and end.exit.code == proc
        assert end.facts.name == "the array"


# ---- what users write ----------------------------------------------------------------------------

HOSTILE = {
    "quotes": 'a "b" \\" \\\\ \'c\' `id` $(id) ; | & <script>',
    "control": 'a\\nOwner = \\"root\\"\\nClusterId = 77 \x1b[2J \x07',
    "long": "x" * 65536,
    "no UTF-8": "caf\udce9 \udcff\udcfe",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_values_are_bounded_data(pool: Pool, kind: str) -> None:
    value = HOSTILE[kind].replace("$", "$(DOLLAR)")
    lines = (f"batch_name = {value}", 'environment = "TOKEN=hunter2"')
    job = pool.submit_one("exit 0", *lines)
    until(lambda: told(pool, job, EventKind.END), 120)
    assert pool.wait(job, COMPLETED) == COMPLETED
    (start,), (end,) = told(pool, job, EventKind.START), told(pool, job, EventKind.END)
    assert start.run == end.run and end.facts.user == pool.user
    assert end.facts.name and len(end.facts.name) <= 256
    end.facts.name.encode()  # no surrogates: a database can keep it
    assert not [data for data in pool.hooks.datagrams if b"hunter2" in data]
    assert end.exit is not None and end.exit.kind is ExitKind.SUCCESS


# ---- others' hooks -------------------------------------------------------------------------------


def test_a_user_s_own_hooks_are_not_displaced(pool: Pool) -> None:
    mark = pool.root / "tmp" / "own"
    own = pool.root / "own-hook"
    own.write_text("#!/bin/sh\ncat >/dev/null\necho called >>/tmp/own\n")
    own.chmod(0o755)
    text = "OWN_HOOK_PREPARE_JOB = /testbed/own-hook\nOWN_HOOK_JOB_EXIT = /testbed/own-hook\n"
    pool.configure("95-own.conf", text)
    try:
        job = pool.submit_one("exit 3", '+HookKeyword = "OWN"')
        assert pool.wait(job, COMPLETED) == COMPLETED
    finally:
        pool.configure("95-own.conf", "")
    assert mark.read_text().split() == ["called", "called"]
    assert pool.hooks.events(job) == []


def test_a_node_s_own_default_hooks_are_not_displaced(pool: Pool) -> None:
    about = ("condor_config_val", "STARTER_DEFAULT_JOB_HOOK_KEYWORD")
    assert pool.inside(*about) == "JOBMEND"
    pool.configure("20-site.conf", "STARTER_DEFAULT_JOB_HOOK_KEYWORD = SITE\n")
    try:
        assert pool.inside(*about) == "SITE"
    finally:
        pool.configure("20-site.conf", "")


# ---- without an agent ----------------------------------------------------------------------------


def ends_well(pool: Pool) -> None:
    """Two jobs end as they should, with an ad that nobody reads to its end."""
    lines = (f"batch_name = {'y' * 65000}",)
    good, bad = (pool.submit_one(script, *lines) for script in ("exit 0", "exit 3"))
    assert pool.wait(good, COMPLETED, HELD) == COMPLETED
    assert pool.wait(bad, COMPLETED, HELD) == COMPLETED
    assert (pool.attribute(good, "ExitCode"), pool.attribute(bad, "ExitCode")) == ("0", "3")


def test_jobs_end_well_without_an_agent(pool: Pool) -> None:
    with pool.socket_free():
        ends_well(pool)


def test_jobs_end_well_beside_an_agent_that_hangs(pool: Pool) -> None:
    with pool.socket_free() as path, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hung:
        hung.bind(str(path))
        path.chmod(0o666)
        fill(str(path))
        ends_well(pool)
        path.unlink()


def fill(path: str) -> None:
    """Send until nobody can send any more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        filler.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                filler.sendto(b"x", path)


@pytest.mark.parametrize("broken", ["exec sleep 30", "exit 7", "echo Cmd = 1"])
def test_jobs_end_well_with_a_broken_hook(pool: Pool, broken: str) -> None:
    script = pool.root / "broken"
    script.write_text(f"#!/bin/sh\n{broken}\n")
    script.chmod(0o755)
    shipped = pool.inside("cat", "/opt/jobmend/condor-hook")
    wrapper = pool.root / "wrapper"
    wrapper.write_text(
        shipped.replace("HOOK=/opt/jobmend/jobmend-condor-hook", "HOOK=/testbed/broken")
    )
    wrapper.chmod(0o755)
    assert "HOOK=/testbed/broken\n" in wrapper.read_text()
    pool.configure("95-broken.conf", "JOBMEND_HOOK_SCRIPT = /testbed/wrapper\n")
    try:
        ends_well(pool)
    finally:
        pool.configure("95-broken.conf", "")


# ---- the machine ad ------------------------------------------------------------------------------


def machine(pool: Pool, *names: str) -> list[str]:
    """Attributes of the machine as expressions; ``undefined`` where one is absent."""
    about = ("condor_status", "-constraint", "PartitionableSlot", "-af:r,", *names)
    return [word.strip() for word in pool.inside(*about).split(",")]


def test_the_machine_ad_says_how_the_node_stands(pool: Pool) -> None:
    names = ("JobmendAgentUp", "JobmendNodeHealthy", "JobmendStalledJobs", "JobmendNodeReason")
    publishes(pool, names, ["false", "undefined", "undefined", "undefined"], None)
    publishes(pool, names, ["true", "false", "2", '"jobs stall"'], Standing(3, 2, 0, 2))
    publishes(pool, names, ["true", "true", "0", '""'], Standing(3, 0, 0))
    publishes(pool, names, ["false", "undefined", "undefined", "undefined"], None)


def publishes(
    pool: Pool, names: tuple[str, ...], wanted: list[str], standing: Standing | None
) -> None:
    """The machine ad comes to say what an agent of this standing tells, or none at all."""
    file = pool.run_directory / "node.json"

    def stands() -> bool:
        file.unlink(missing_ok=True)
        if standing is not None:
            file.write_text(render(standing, time.time()))
        return machine(pool, *names) == wanted

    try:
        until(stands, 120)
    except AssertionError:
        raise AssertionError(f"{machine(pool, *names)}, not {wanted}") from None
    finally:
        file.unlink(missing_ok=True)
