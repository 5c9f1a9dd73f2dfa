"""The JSON in etc/grafana is what the generator makes, and what Grafana's schema says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobmend.brain.dashboards.catalogue import DASHBOARDS
from jobmend.brain.dashboards.chart import Dashboard
from tests.brain.dashboards.variables import names_in

ROOT = Path(__file__).parents[3]
GRAFANA = ROOT / "etc" / "grafana"
GENERATE = "python -m jobmend.brain.dashboards etc/grafana/dashboards"
each_board = pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: str(board.name))


def shipped(board: Dashboard) -> Any:
    return json.loads((GRAFANA / "dashboards" / f"jobmend-{board.name}.json").read_text())


def panels(page: Any) -> Iterator[Any]:
    for one in page["panels"]:
        yield one
        yield from one.get("panels", ())


def test_what_is_shipped_is_what_is_generated(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jobmend.brain.dashboards", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, cwd="/")
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    there = {path.name: path.read_text() for path in (GRAFANA / "dashboards").iterdir()}
    assert sorted(made) == sorted(there) and made == there, f"run: {GENERATE}"


@each_board
def test_the_schema_knows_every_field(board: Dashboard) -> None:
    """Read into the types that are generated from it and written again, nothing is lost."""
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models import dashboard as model

    register_default_plugins()
    page = shipped(board)
    read = model.Dashboard.from_json(page)
    assert json.loads(json.dumps(read, cls=JSONEncoder)) == page


@each_board
def test_ids_are_unique_and_panels_do_not_overlap(board: Dashboard) -> None:
    page = shipped(board)
    assert page["uid"] == f"jobmend-{board.name}" and len(page["uid"]) <= 40
    assert "id" not in page, "Grafana gives it"
    ids = [one["id"] for one in panels(page)]
    assert len(set(ids)) == len(ids)
    for group in (page["panels"], *(one["panels"] for one in page["panels"] if one.get("panels"))):
        taken: set[tuple[int, int]] = set()
        for one in group:
            at = one["gridPos"]
            cells = {(at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
            assert at["x"] + at["w"] <= 24 and not cells & taken, one["title"]
            taken |= cells


@each_board
def test_every_chart_is_there_with_its_queries(board: Dashboard) -> None:
    drawn = {one["title"]: one for one in panels(shipped(board)) if one["type"] != "row"}
    assert list(drawn) == [chart.title for chart in board.charts()]
    for chart in board.charts():
        exprs = [target["expr"] for target in drawn[chart.title]["targets"]]
        assert len(exprs) == len(chart.queries)
        for expr in exprs:
            assert "$rate" not in expr and "$range" not in expr
        assert drawn[chart.title]["description"] == chart.description


@each_board
def test_variables_are_filled_from_the_data_source_that_is_chosen(board: Dashboard) -> None:
    source, *others = shipped(board)["templating"]["list"]
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    assert [one["name"] for one in others] == [one.name for one in board.variables]
    for variable, one in zip(board.variables, others, strict=True):
        assert one["datasource"]["uid"] == "${datasource}"
        assert one["query"]["query"].startswith("label_values(")
        assert one["multi"] == one["includeAll"] == variable.several
        assert names_in(one["query"]["query"]) == names_in(variable.selector)


def test_links_lead_to_dashboards_that_are_there() -> None:
    pages = {f"/d/jobmend-{board.name}" for board in DASHBOARDS}
    for board in DASHBOARDS:
        for one in panels(shipped(board)):
            for override in one.get("fieldConfig", {}).get("overrides", ()):
                for value in override["properties"]:
                    for link in value["value"] if value["id"] == "links" else ():
                        assert link["url"].split("?")[0] in pages


def test_provisioning_names_one_source_and_the_folder_that_packages_fill() -> None:
    read = {path.parent.name: yaml.safe_load(path.read_text()) for path in GRAFANA.rglob("*.yaml")}
    (source,) = read["datasources"]["datasources"]
    assert source["type"] == "prometheus"
    scraping = yaml.safe_load((ROOT / "etc" / "prometheus" / "prometheus.yml").read_text())
    assert source["jsonData"]["timeInterval"] == scraping["global"]["scrape_interval"]
    (provider,) = read["dashboards"]["providers"]
    assert provider["options"]["path"] == "/usr/share/jobmend/grafana/dashboards"
