"""The same windows out of the archive, a real Prometheus and a real VictoriaMetrics."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from jobmend.brain.config import parse_config
from jobmend.brain.sources.archive import Archive
from jobmend.brain.sources.choosing import source_of
from jobmend.brain.sources.prometheus import PrometheusSource, Sampling
from jobmend.brain.sources.promql import PromClient, PromError
from jobmend.brain.sources.source import TraceSource
from jobmend.brain.sources.victoria import VictoriaSource
from jobmend.jobs.windows import TraceWindow
from tests.brain.sources.exposed import CLUSTERS, INSTANCE, Exposed
from tests.brain.sources.servers import imported, prometheus, victoria

STEPS, INTERVAL = 32, 15.0
EVERY = 2 * STEPS * INTERVAL
SAMPLING = Sampling(STEPS, EVERY)


@pytest.fixture(scope="module")
def exposed() -> Exposed:
    """Two jobs of two threads each and two free threads, some hours ago."""
    start = math.floor((time.time() - 4 * 3600) / EVERY) * EVERY
    return Exposed(start, INTERVAL, STEPS, ("7", "7", "8", "8", None, None))


@pytest.fixture(scope="module")
def prometheus_url(exposed: Exposed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    with prometheus(folder, openmetrics=exposed.openmetrics()) as url:
        yield url


@pytest.fixture(scope="module")
def victoria_url(exposed: Exposed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with victoria(tmp_path_factory.mktemp("victoria")) as url:
        imported(url, "".join(exposed.lines(1000)))
        yield url


def read(source: TraceSource, exposed: Exposed) -> list[TraceWindow]:
    return list(source.windows(exposed.start - 3 * EVERY, exposed.start + 3 * EVERY))


def assert_same(found: list[TraceWindow], wanted: list[TraceWindow]) -> None:
    assert [(one.key, one.owners, one.shape) for one in found] == [
        (one.key, one.owners, one.shape) for one in wanted
    ]
    for one, other in zip(found, wanted, strict=True):
        assert one.step_seconds == other.step_seconds
        np.testing.assert_allclose(one.values, other.values, rtol=2**-22, atol=1e-9)


def test_all_sources_give_the_same_windows(
    exposed: Exposed, prometheus_url: str, victoria_url: str, tmp_path: Path
) -> None:
    archive = Archive(tmp_path)
    archive.add(exposed.windows, time.time())
    kept = read(archive, exposed)
    assert len(kept) == 2
    assert_same(kept, exposed.windows)
    for url in (prometheus_url, victoria_url):
        with PromClient(url) as client:
            assert_same(read(PrometheusSource(client, CLUSTERS, SAMPLING), exposed), kept)
    with PromClient(victoria_url) as client:
        assert_same(read(VictoriaSource(client, CLUSTERS, SAMPLING), exposed), kept)


def test_the_configuration_names_the_source(
    prometheus_url: str, victoria_url: str, tmp_path: Path
) -> None:
    kinds = {
        "archive": Archive,
        prometheus_url: PrometheusSource,
        victoria_url: VictoriaSource,
    }
    for name, kind in kinds.items():
        config = parse_config(
            {"store": {"archive": str(tmp_path)}, "learning": {"source": name}},
        )
        assert type(source_of(config)) is kind


def test_a_draw_is_the_same_each_time_and_bounded(exposed: Exposed, prometheus_url: str) -> None:
    with PromClient(prometheus_url) as client:
        span = (exposed.start - 40 * EVERY, exposed.start + EVERY)
        few = PrometheusSource(client, CLUSTERS, Sampling(STEPS, EVERY, 5))
        drawn = few._drawn(*span)
        assert sum(map(len, drawn.values())) == 5
        assert drawn == few._drawn(*span)
        none = PrometheusSource(client, {}, SAMPLING)  # no cluster: whose runs would they be?
        assert list(none.windows(*span)) == []


def test_a_client_asks_and_is_told(
    exposed: Exposed, prometheus_url: str, victoria_url: str
) -> None:
    span = (exposed.start, exposed.start + EVERY)
    for url in (prometheus_url, victoria_url):
        with PromClient(url) as client:
            assert client.label_values("instance", "jobmend_build_info", *span) == [INSTANCE]
            (one,) = client.query("scalar(count(jobmend_job_cpus))", exposed.start + 60)
            assert one.values.tolist() == [2]
            (raw,) = client.query("jobmend_build_info[60s]", exposed.start + 60)
            assert raw.times.tolist() == [it for it in exposed.times if it <= exposed.start + 60]
            with pytest.raises(PromError, match=f"^{url}/?: 4.*pars"):
                client.query("sum(")
            with pytest.raises(PromError, match="more than 11000 steps"):
                client.query_range("up", 0, 1e6, 1)
        with PromClient(url, max_bytes=100) as client, pytest.raises(PromError, match="100 bytes"):
            client.query("jobmend_job_cpus", exposed.start + 60)
