"""Names that users choose, through a hook or as a directory, never harm the page."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
import socket
import subprocess
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmend.agent.config import Config
from jobmend.exporter.page import MAX_LABEL
from jobmend.jobs.events import EventKind, JobEvent, JobFacts
from jobmend.jobs.exits import Exit, ExitKind
from jobmend.jobs.identity import Run
from jobmend.jobs.text import printable
from tests.agent.running import Running, Series, parsed, running, until

TREES = Path(__file__).parents[1] / "trees"
NASTY = [
    'a"b',
    "a\nb 1\n# HELP x",
    "back\\slash\\",
    '\\"} 1\nevil_total{x="',
    "\x00nul",
    "\u202egnp.exe",  # a right-to-left override
    "\x1b[2J\x1b]0;title\x07",
    "caf\u00e9 \u5b57 \U0001f600",
    "\ud800",  # half a surrogate pair: no UTF-8
    "\u2028\u2029\x85",  # line ends in the eyes of some parsers
    "{}=,",
    "x" * 200,
    "y" * 256,
]
names = st.one_of(st.sampled_from(NASTY), st.text(max_size=256))
numbers = itertools.count()  # of runs; hypothesis may try one example again


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Slurm v1 tree as files: cgroupfs itself refuses a newline, other mounts need not."""
    root = tmp_path_factory.mktemp("hostile") / "cgroup"
    shutil.copytree(TREES / "slurm_v1" / "cgroup", root)
    return root


@pytest.fixture(scope="module")
def agent(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("agent")
    config = Config(cluster="c1", node="n1")
    config = dataclasses.replace(
        config,
        sample=dataclasses.replace(config.sample, period_seconds=0.1, cgroup_root=str(tree)),
        hooks=dataclasses.replace(config.hooks, socket=str(folder / "hook.sock")),
        spool=dataclasses.replace(config.spool, path=str(folder / "spool.db")),
    )
    with running(config, folder) as started:
        yield started


def heard(seen: list[Series], *results: str) -> float:
    """Hook events so far, of all results or of these."""
    return sum(
        one.value
        for one in seen
        if one.name == "jobmend_agent_hook_events_total"
        and (not results or one.labels["result"] in results)
    )


def check(page: bytes) -> list[Series]:
    """The samples of a page on which every name is ours and every label can be shown."""
    seen = parsed(page)
    for one in seen:
        assert one.name.startswith(("jobmend_", "process_")), one
        for value in one.labels.values():
            assert 0 < len(value) <= MAX_LABEL
            assert not {unicodedata.category(char) for char in value} & {"Cc", "Cf", "Cs", "Zl"}
    assert len({(one.name, *sorted(one.labels.items())) for one in seen}) == len(seen)
    return seen


def of(seen: list[Series], name: str, **wanted: str) -> list[dict[str, str]]:
    """Labels of the samples of one family that have these labels."""
    return [one.labels for one in seen if one.name == name and wanted.items() <= one.labels.items()]


def shown(text: str) -> str:
    """What the page makes of a text; a hook writes what is no Unicode as a question mark."""
    return printable(text.encode(errors="replace").decode(), MAX_LABEL)


def after(agent: Running, before: float) -> list[Series]:
    """The samples once one more datagram was heard than ``before``."""
    until(lambda: heard(agent.series()) > before)
    return check(agent.page())


@settings(max_examples=60)
@given(user=names, account=names, site=names, reason=names)
def test_facts_and_reasons_from_hooks(
    agent: Running, user: str, account: str, site: str, reason: str
) -> None:
    before = heard(agent.series())
    run = Run("c1", "slurm", f"h{next(numbers)}", "0")
    facts = JobFacts(user=user, account=account, site=site, name=user, comment=reason)
    exit = Exit("slurm", ExitKind.ERROR, 1, reason=reason)
    agent.hear(JobEvent(EventKind.END, run, time.time(), "n1", facts, exit))
    (told,) = of(after(agent, before), "jobmend_job_exit_info", jobid=run.job_id)
    assert told.get("reason", "") == shown(reason)


def datagram(agent: Running, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.settimeout(10)
        channel.connect(agent.config.hooks.socket)
        channel.send(data)


def document(**changes: object) -> bytes:
    run = {"cluster": "c1", "scheduler": "slurm", "job_id": f"d{next(numbers)}", "run": "0"}
    body = {"kind": "start", "run": run, "time": 1.0, "node": "n1", **changes}
    return json.dumps({"jobmend": 1, "kind": "event", "body": body}).encode()


@pytest.mark.parametrize(
    "data",
    [
        document(facts={"user": "CHANGE"}).replace(b"CHANGE", b"\xff\xfe\xc0\xaf"),
        document(facts={"user": "u" * 4096}),
        document(run={"cluster": "c1", "scheduler": "slurm", "job_id": 'a"\n', "run": "0"}),
        document(run={"cluster": "c1", "scheduler": "slurm", "job_id": "j" * 4096, "run": "0"}),
        document(node="n" * 4096),
        document(time=float("nan")),
        b'{"jobmend": 1' + b"[" * 10_000,
        b"\x00" * 100,
        b"",
        b"x" * 20_000,
    ],
    ids=lambda data: repr(data[:30]),
)
def test_what_is_no_event_is_counted_and_leaves_no_series(agent: Running, data: bytes) -> None:
    before = agent.series()
    datagram(agent, data)
    seen = after(agent, heard(before))
    assert heard(seen, "corrupt") == heard(before, "corrupt") + 1
    assert not [one for one in seen if one.labels.get("jobid", "").startswith(("d", "j", "a"))]


@settings(max_examples=20)
@given(job_id=names, run=names, node=names)
def test_ids_that_hooks_tell(agent: Running, job_id: str, run: str, node: str) -> None:
    before = heard(agent.series())
    exit = Exit("slurm", ExitKind.SUCCESS, 0)
    end = JobEvent(EventKind.END, Run("c1", "slurm", job_id, run), time.time(), node, exit=exit)
    agent.hear(end)
    after(agent, before)


def test_of_a_job_that_lives(agent: Running) -> None:
    run = Run("c1", "slurm", "1001", "0")
    before = heard(agent.series())
    facts = JobFacts(user=NASTY[3], account=NASTY[1], site="s" * 256)
    agent.hear(JobEvent(EventKind.START, run, time.time(), "n1", facts))
    (told,) = of(after(agent, before), "jobmend_job_info", jobid="1001")
    assert (told["user"], told["account"]) == (shown(NASTY[3]), shown(NASTY[1]))
    assert told["site"] == shown("s" * 256) and len(told["site"]) == MAX_LABEL


HOSTILE_NODE = 'slurm_n"\n} 1\nevil\\'
HOSTILE_CHILD = 'user"made\n\\}{\u202e'


def test_directories_with_such_names(agent: Running, tree: Path) -> None:
    for controller in sorted(tree.iterdir()):
        job = controller / "slurm/uid_20001/job_1001"
        if not job.is_dir():
            continue
        shutil.copytree(job, controller / HOSTILE_NODE / "uid_0/job_77")
        shutil.copytree(job, controller / "slurm/uid_0/job_78" / HOSTILE_CHILD / ("z" * 200))
        shutil.copytree(job, controller / "slurm" / "uid_0\n" / "job_79")
        shutil.copytree(job, controller / "slurm/uid_0/job_80\nevil")
    until(lambda: {"77", "78"} <= {one.labels.get("jobid") for one in agent.series()})
    seen = check(agent.page())
    (info,) = of(seen, "jobmend_job_info", jobid="77")
    assert info["cgroup"] == shown(f"{HOSTILE_NODE}/uid_0/job_77")
    jobs = {one.labels["jobid"] for one in seen if one.name == "jobmend_job_info"}
    assert jobs >= {"77", "78"} and not jobs & {"79", "80", "80\nevil"}


def test_promtool_takes_the_page(agent: Running) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH (Debian package prometheus)")
    done = subprocess.run([promtool, "check", "metrics"], input=agent.page(), capture_output=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
