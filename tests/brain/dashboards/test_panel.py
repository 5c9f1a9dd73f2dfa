"""The panel draws the dashboards with what a real Prometheus answers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fastapi.testclient import TestClient

from jobmend.brain.api.app import create_app
from jobmend.brain.config import BrainConfig
from jobmend.brain.dashboards.catalogue import DASHBOARDS
from jobmend.brain.dashboards.chart import Dashboard
from jobmend.brain.panel.addresses import SPANS, charts_of, reaching
from tests.brain.dashboards.moving import ENDS, STAYS
from tests.brain.dashboards.serving import Prometheus
from tests.brain.scene import config_of

CHOSEN = f"node=127.0.0.1&job={ENDS}&since=15m"


def served(folder: Path, prometheus: str) -> TestClient:
    config = config_of(folder)
    server = config.server.model_copy(update={"prometheus": prometheus})
    made: BrainConfig = config.model_copy(update={"server": server})
    return TestClient(create_app(made, {}))


@pytest.fixture
def panel(tmp_path: Path, watched: Prometheus) -> Iterator[TestClient]:
    with served(tmp_path, watched.url.removesuffix("/api/v1")) as http:
        yield http


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: str(board.name))
def test_every_chart_of_a_page_has_something_to_show(panel: TestClient, board: Dashboard) -> None:
    deadline = time.monotonic() + 120  # what the first scrapes told is not a rate yet
    while True:
        page = panel.get(f"/charts/{board.name}?{CHOSEN}").text
        pictures = [
            panel.get(one.replace("&amp;", "&")) for one in re.findall(r'<img src="([^"]+)"', page)
        ]
        empty = [one for one in (page, *(it.text for it in pictures)) if "nothing is told" in one]
        if not empty or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert 'class="alarm"' not in page and "<script" not in page
    drawn = [chart for chart in board.charts() if chart.kind not in ("stat", "table")]
    assert len(pictures) == len(drawn)
    for picture in pictures:
        assert picture.status_code == 200 and picture.headers["content-type"] == "image/svg+xml"
        assert ElementTree.fromstring(picture.content).tag.endswith("svg")
    assert not empty


def test_jobs_and_nodes_of_a_table_lead_to_their_charts(panel: TestClient) -> None:
    page = panel.get(f"/charts/node?{CHOSEN}").text
    (link,) = set(re.findall(rf'<a href="([^"]+)">{ENDS}</a>', page))
    assert link == f"/charts/job?job={ENDS}&amp;since=15m"
    job = panel.get(link.replace("&amp;", "&")).text
    assert f'<option value="{ENDS}" selected' in job
    assert (
        '<a href="/charts/node?node=127.0.0.1&amp;since=15m">127.0.0.1</a>'
        in panel.get(f"/charts/job?job={STAYS}&since=15m").text
    )


def test_what_is_chosen_reaches_the_query_as_a_value(panel: TestClient) -> None:
    for evil in ('"} or vector(1) #', "a|.*", "\\", '"', "\n"):
        page = panel.get("/charts/job", params={"job": evil, "workflow": evil, "since": "1y"})
        assert page.status_code == 200 and 'class="alarm"' not in page.text
        picture = panel.get("/charts/job/0.svg", params={"job": evil})
        assert picture.status_code == 200, "the query was understood"
        assert "nothing is told" in picture.text, "and no job is called so"


def test_what_is_not_there_is_not_found(panel: TestClient) -> None:
    assert panel.get("/charts/nothing").status_code == 404
    assert panel.get("/charts/summary/999.svg").status_code == 404
    assert panel.get("/charts/summary/-1.svg").status_code == 422


def test_a_prometheus_that_does_not_answer_is_an_alarm(tmp_path: Path) -> None:
    with served(tmp_path, "http://127.0.0.1:9") as http:
        page = http.get("/charts/summary").text
        assert 'class="alarm"' in page and "127.0.0.1:9" in page
        assert http.get("/charts/summary/0.svg").status_code == 502
    with served(tmp_path, "") as http:
        assert "No Prometheus is named" in http.get("/charts/summary").text
        assert http.get("/charts/summary/0.svg").status_code == 404


def test_a_link_looks_back_as_far_as_its_run_began() -> None:
    assert [reaching(seconds) for seconds in (0, 900, 901, 7000, 1e9)] == [
        "15m", "15m", "1h", "6h", "30d"
    ]  # fmt: skip
    assert (
        charts_of("jobid", "a&b=c", "1h", "c1") == "/charts/job?cluster=c1&job=a%26b%3Dc&since=1h"
    )
    assert charts_of("jobid", "", "1h") == charts_of("site", "s1", "1h") == ""


def test_each_page_looks_back_as_far_as_its_dashboard_says() -> None:
    assert all(board.since in SPANS for board in DASHBOARDS)
