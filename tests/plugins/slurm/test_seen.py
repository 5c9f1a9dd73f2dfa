"""A real job on a real cluster, as the doctors of node and brain see it.

What is the brain's is imported where it is used: this file is collected under Python 3.9 too.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobmend.agent.config import Config, Hooks, Spool, Uplink
from jobmend.plugins.doctor import uplink
from jobmend.plugins.doctor.agent import check_hooks
from jobmend.plugins.doctor.findings import Finding, Level
from jobmend.plugins.doctor.page import parse
from tests.agent.running import running, until
from tests.plugins.slurm.changing import configured
from tests.plugins.slurm.conftest import Cluster


@contextmanager
def brain(cluster: Cluster, folder: Path) -> Iterator[str]:
    """A brain that watches the cluster; its address."""
    import threading

    import uvicorn

    from jobmend.brain.api.app import create_app
    from tests.brain.scene import config_of

    config = config_of(folder, settle_seconds=0, poll_seconds=0.3)
    app = create_app(config, {("testbed", "slurm"): cluster.scheduler()})
    service = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        until(lambda: service.started)
        yield f"http://127.0.0.1:{service.servers[0].sockets[0].getsockname()[1]}"
    finally:
        service.should_exit = True
        thread.join()


@pytest.mark.slurm
def test_a_recent_job_was_seen_by_all_three(slurm: Cluster, tmp_path: Path) -> None:
    from jobmend.brain.cli import doctor
    from jobmend.brain.cli.client import Client, Settings

    if slurm.cgroups != "v1":
        pytest.skip("no job cgroups here")
    script = slurm.hooks.path.with_name("jobmend-hook-agent")
    script.write_text(
        slurm.hooks.path.with_name("jobmend-hook")
        .read_text()
        .replace(str(slurm.hooks.path), str(tmp_path / "hook.sock"))
    )
    script.chmod(0o755)
    with brain(slurm, tmp_path) as url:
        config = dataclasses.replace(
            Config(),
            cluster="testbed",
            node=slurm.nodes[0],
            hooks=Hooks(socket=str(tmp_path / "hook.sock"), grace_seconds=0.5),
            spool=Spool(path=str(tmp_path / "spool.db")),
            uplink=Uplink(url, str(tmp_path / "tokens" / "ingest"), 0.2),
        )

        def looked(change: Callable[[str], str]) -> tuple[Finding, Finding, Finding]:
            """A job under a changed slurm.conf, as the node's doctor and the brain's see it."""
            with configured(slurm, change), running(config, tmp_path) as agent:
                job = slurm.submit("sleep 2", f"--nodelist={slurm.nodes[0]}")
                slurm.wait(job, "COMPLETED")
                until(lambda: f'jobid="{job}"' in ended(agent.page()), 90)
                until(lambda: accounted(url, job), 90)
                page, now = parse(of_job(agent.page(), job)), time.time()
            records = Client(Settings(url=url)).jobs().jobs
            (central,) = doctor.judge_jobs((one for one in records if one.run.job_id == job), now)
            here = uplink.check_jobs(page, uplink.newest_jobs(url), now)
            return here, check_hooks(page), central

        hook = slurm.hooks.path.with_name("jobmend-hook")
        here, heard, central = looked(lambda text: text.replace(f"log={hook}", f"log={script}"))
        assert (here.level, heard.level, central.level) == (Level.GOOD,) * 3, (here, heard, central)
        assert here.text.endswith("each seen by hook and cgroup and accounting")
        here, heard, central = looked(lambda text: text)  # the hooks tell another socket
        assert here.level is Level.BAD and "none was seen by hook" in here.text
        assert heard.level is Level.BAD and "no end hook spoke" in heard.text


def ended(page: bytes) -> str:
    lines = page.decode().splitlines()
    return "\n".join(line for line in lines if line.startswith("jobmend_job_exit_info"))


def of_job(page: bytes, job: str) -> str:
    """The page without jobs of other clusters on this machine."""
    lines = page.decode().splitlines()
    return "\n".join(one for one in lines if f'jobid="{job}"' in one or "hook_events" in one)


def accounted(url: str, job: str) -> bool:
    from jobmend.brain.cli.client import Client, Settings

    records = Client(Settings(url=url)).jobs().jobs
    return any(run.run.job_id == job and run.facts.workflow and run.trace for run in records)
