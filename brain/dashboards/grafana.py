"""A dashboard as the JSON that Grafana reads (its schema: Grafana 11.6; later ones take it)."""

from __future__ import annotations

import json
from collections.abc import Iterable

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from .chart import EVERYTHING, Dashboard, Row, Variable
from .grafana_panels import GRID, HEIGHT, SOURCE, panel

TAG = "jobmend"
_COLUMNS = 12 * GRID


def as_json(dashboard: Dashboard) -> str:
    """The file of a dashboard; the same for the same dashboard, always."""
    return json.dumps(as_model(dashboard), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def as_model(dashboard: Dashboard) -> model.Dashboard:
    """The dashboard in Grafana's own types."""
    return model.Dashboard(
        uid=f"jobmend-{dashboard.name}",
        title=dashboard.title,
        description=dashboard.description,
        tags=[TAG],
        graph_tooltip=model.DashboardCursorSync.CROSSHAIR,
        time=model.DashboardDashboardTime(f"now-{dashboard.since}", "now"),
        refresh="1m",
        version=1,
        panels=list(_panels(dashboard.rows)),
        templating=model.DashboardDashboardTemplating(
            [_datasource(), *map(_variable, dashboard.variables)]
        ),
        annotations=model.AnnotationContainer([]),
        links=[_others()],
    )


def _panels(rows: Iterable[Row]) -> Iterable[model.Panel | model.RowPanel]:
    number = y = 0
    for row in rows:
        number += 1
        heading = model.RowPanel(
            row.collapsed, row.title, grid_pos=model.GridPos(1, _COLUMNS, 0, y), id_val=number
        )
        placed, below = _placed(row, number + 1, y + 1)
        number += len(placed)
        # Grafana has the panels of a collapsed row in it, those of an open one after it; what
        # comes next is placed as if the collapsed one had none.
        heading.panels = placed if row.collapsed else []
        yield heading
        if row.collapsed:
            y += 1
        else:
            y = below
            yield from placed


def _placed(row: Row, number: int, y: int) -> tuple[list[model.Panel], int]:
    """The panels of a row from left to right, and where the next row begins."""
    placed: list[model.Panel] = []
    x = 0
    for chart in row.charts:
        if x + GRID * chart.width > _COLUMNS:
            x, y = 0, y + HEIGHT
        placed.append(panel(chart, number + len(placed), x, y))
        x += GRID * chart.width
    return placed, y + HEIGHT


def _datasource() -> model.VariableModel:
    return model.VariableModel(
        type_val=model.VariableType.DATASOURCE,
        name="datasource",
        label="Prometheus",
        query="prometheus",
    )


def _variable(variable: Variable) -> model.VariableModel:
    query = f"label_values({variable.selector}, {variable.of})"
    everything = model.VariableOption(True, ["All"], ["$__all"])
    return model.VariableModel(
        type_val=model.VariableType.QUERY,
        name=variable.name,
        label=variable.title,
        query={"query": query, "refId": variable.name},
        datasource=SOURCE,
        refresh=model.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=model.VariableSort.NATURAL_ASC,
        multi=variable.several,
        include_all=variable.several,
        all_value=EVERYTHING if variable.several else None,
        current=everything if variable.several else None,
    )


def _others() -> model.DashboardLink:
    return model.DashboardLink(
        title="jobmend",
        type_val=model.DashboardLinkType.DASHBOARDS,
        icon="external link",
        tags=[TAG],
        as_dropdown=True,
        include_vars=True,
        keep_time=True,
    )
