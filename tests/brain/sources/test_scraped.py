"""Windows rebuilt from what a real Prometheus scraped of a real agent with jobs."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from jobmend.agent.config import Config, Hooks, Sample, Spool, Window
from jobmend.brain.sources.prometheus import PrometheusSource, Sampling
from jobmend.brain.sources.promql import PromClient
from jobmend.jobs.windows import FEATURES, TraceWindow
from tests.agent.running import running, until
from tests.brain.dashboards.moving import ENDS, STAYS, lay_out, moving
from tests.brain.sources.servers import prometheus

STEPS, INTERVAL = 4, 0.3
SCRAPES = """
global: {{scrape_interval: 300ms, scrape_timeout: 300ms}}
scrape_configs: [{{job_name: jobmend, static_configs: [{{targets: ['{address}']}}]}}]
"""


def config_of(folder: Path, tree: Path) -> Config:
    return Config(
        cluster="c1",
        node="n1",
        sample=Sample(
            period_seconds=0.1,
            ring_seconds=60.0,
            cgroup_root=str(tree / "cgroup"),
            proc_root=str(tree / "proc"),
        ),
        hooks=Hooks(socket=str(folder / "run" / "hook.sock")),
        spool=Spool(path=str(folder / "spool.db")),
        window=Window(steps=STEPS),
    )


def test_the_jobs_of_a_scraped_agent(tmp_path: Path) -> None:
    tree = lay_out(tmp_path / "tree")
    with moving(tree), running(config_of(tmp_path, tree), tmp_path) as agent:
        scrapes = SCRAPES.format(address=agent.config.metrics.listen)
        with prometheus(tmp_path, scrapes=scrapes) as url, PromClient(url) as client:
            source = PrometheusSource(client, {"slurm": "c1"}, Sampling(STEPS, 1.0))
            found: list[TraceWindow] = []

            def read() -> bool:
                now = time.time()
                found[:] = source.windows(now - 8, now)
                return len({one.start for one in found}) >= 2

            until(read, seconds=150)
    assert {(one.node, one.threads, one.owners) for one in found} == {
        ("127.0.0.1", (0, 2, 3), (f"c1/slurm/{STAYS}/0",) * 3),
        ("127.0.0.1", (1,), (f"c1/slurm/{ENDS}/0",)),
    }
    for one in found:
        assert (one.step_seconds, one.features, one.steps) == (INTERVAL, FEATURES, STEPS)
        values = np.array(one.values).reshape(one.shape)
        assert not np.isnan(values[..., FEATURES.index("job_cpu")]).all()
        shares = values[..., :6]  # what the tree's counters grow by, however long a step is
        measured = shares[~np.isnan(shares).any(axis=-1)]
        np.testing.assert_allclose(measured, [[0.6, 0, 0.15, 0, 0, 0]] * len(measured), atol=1e-6)
