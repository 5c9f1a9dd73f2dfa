"""The pages of charts: the dashboards of Grafana, drawn here for sites without it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Path, Request, Response

from ..api.access import HereBrain
from ..api.errors import ApiError
from ..dashboards.catalogue import DASHBOARDS
from ..dashboards.chart import Chart, Dashboard, Variable, filled
from ..sources.promql import PromClient, PromError, Series
from . import drawing, pages, units
from .addresses import SPANS

POINTS = 300  # of a line
LEAST_STEP = 1.0  # seconds
MAX_CHOICES = 500  # values of a variable that are offered
MAX_VALUE = 200  # characters of one that is chosen
MAX_ROWS = 200
WORKERS = 4
REFRESH_SECONDS = 60
TIMEOUT_SECONDS = 10.0

_BY_NAME = {one.name: one for one in DASHBOARDS}

router = pages.new_router()


@dataclass(frozen=True)
class View:
    """A dashboard as somebody looks at it: what was chosen, and the time."""

    dashboard: Dashboard
    chosen: dict[str, list[str]]
    since: str
    end: float

    @property
    def start(self) -> float:
        """Seconds since the epoch."""
        return self.end - SPANS[self.since]

    @property
    def step(self) -> float:
        """Seconds between two points of a line."""
        return max(SPANS[self.since] / POINTS, LEAST_STEP)

    @property
    def query(self) -> str:
        """The choice as the end of an address."""
        return urlencode({**self.chosen, "since": [self.since]}, doseq=True)

    def expression(self, text: str) -> str:
        """PromQL with the choice filled in; a rate looks over some steps, and some scrapes."""
        rate = f"{max(round(4 * self.step), 60)}s"
        return filled(text, self.dashboard.variables, self.chosen, rate=rate, range=self.since)


@dataclass(frozen=True)
class Choice:
    """A variable, and what may be chosen for it."""

    variable: Variable
    values: list[str]


@dataclass(frozen=True)
class Shown:
    """A chart on the page: words where it is a number or a table, else the address of a picture."""

    chart: Chart
    picture: str = ""
    numbers: Sequence[tuple[str, str, str]] = ()  # name, value, meaning
    rows: Sequence[tuple[str, ...]] = ()  # what the chart's columns say of each series
    error: str = ""


Name = Annotated[str, Path(max_length=40)]


def _view(name: str, request: Request, brain: HereBrain) -> View:
    if name not in _BY_NAME:
        raise ApiError(404, "not_found", f"there is no dashboard of that name; there are "
                       f"{', '.join(_BY_NAME)}")  # fmt: skip
    dashboard = _BY_NAME[name]
    asked = request.query_params
    chosen = {
        one.name: [value[:MAX_VALUE] for value in asked.getlist(one.name) if value]
        for one in dashboard.variables
    }
    since = asked.get("since", "")
    since = since if since in SPANS else dashboard.since
    return View(dashboard, chosen, since, brain.clock())


def _client(brain: HereBrain) -> PromClient:
    return PromClient(brain.config.server.prometheus, timeout=TIMEOUT_SECONDS)


@router.get("/charts/{name}")
def charts_page(name: Name, request: Request, brain: HereBrain) -> str:
    """A dashboard with its numbers; its pictures are fetched by the browser."""
    view = _view(name, request, brain)
    choices: list[Choice] = []
    rows: list[tuple[str, bool, list[Shown]]] = []
    error = ""
    if brain.config.server.prometheus:
        try:
            with _client(brain) as client:
                view, choices = _choices(view, client)
                rows = _rows(view, client)
        except PromError as failure:
            error = str(failure)
    return pages.render(
        "charts.html",
        now=view.end,
        refresh=REFRESH_SECONDS,
        view=view,
        all=DASHBOARDS,
        choices=choices,
        rows=rows,
        spans=SPANS,
        configured=bool(brain.config.server.prometheus),
        error=error,
    )


@router.get("/charts/{name}/{number}.svg", response_class=Response)
def picture(
    name: Name, number: Annotated[int, Path(ge=0, le=999)], request: Request, brain: HereBrain
) -> Response:
    """One chart of a dashboard."""
    view = _view(name, request, brain)
    charts = list(view.dashboard.charts())
    if number >= len(charts):
        raise ApiError(404, "not_found", f"{name} has {len(charts)} charts")
    if not brain.config.server.prometheus:
        raise ApiError(404, "not_found", "no Prometheus is named in [server] prometheus")
    chart = charts[number]
    try:
        with _client(brain) as client:
            answers = [_ask(client, view, chart, query.expr) for query in chart.queries]
    except PromError as error:
        raise ApiError(502, "prometheus_failed", str(error)) from error
    lines = drawing.lines_of(chart, answers)
    return Response(drawing.svg(chart, lines, view.start, view.end), media_type="image/svg+xml")


def _ask(client: PromClient, view: View, chart: Chart, text: str) -> list[Series]:
    expression = view.expression(text)
    if chart.over_time:
        return client.query_range(expression, view.start, view.end, view.step)
    return client.query(expression, view.end)


def _choices(view: View, client: PromClient) -> tuple[View, list[Choice]]:
    """What each variable may be; one that must be chosen is the first of its values."""
    found, chosen = [], dict(view.chosen)
    for variable in view.dashboard.variables:
        now = View(view.dashboard, chosen, view.since, view.end)
        values = client.label_values(variable.of, now.expression(variable.selector))
        if not variable.several and not chosen[variable.name]:
            chosen[variable.name] = values[-1:]
        found.append(Choice(variable, values[:MAX_CHOICES]))
    return View(view.dashboard, chosen, view.since, view.end), found


def _rows(view: View, client: PromClient) -> list[tuple[str, bool, list[Shown]]]:
    numbers = {id(chart): number for number, chart in enumerate(view.dashboard.charts())}

    def shown(chart: Chart) -> Shown:
        if chart.kind not in ("stat", "table"):
            address = f"/charts/{view.dashboard.name}/{numbers[id(chart)]}.svg?{view.query}"
            return Shown(chart, picture=address)
        try:
            answers = [_ask(client, view, chart, query.expr) for query in chart.queries]
            if chart.columns:
                return Shown(chart, rows=_cells(chart, answers))
            return Shown(chart, numbers=_numbers(chart, answers))
        except PromError as error:
            return Shown(chart, error=str(error))

    with ThreadPoolExecutor(WORKERS) as pool:
        known = dict(zip(numbers, pool.map(shown, view.dashboard.charts()), strict=True))
    return [
        (row.title, row.collapsed, [known[id(chart)] for chart in row.charts])
        for row in view.dashboard.rows
    ]


def _numbers(chart: Chart, answers: Sequence[Sequence[Series]]) -> list[tuple[str, str, str]]:
    return [
        (line.name, units.short(value, chart.unit), units.colour(value, chart.thresholds))
        for line in drawing.lines_of(chart, answers)
        for value in [float(line.series.values[-1])]
    ]


def _cells(chart: Chart, answers: Sequence[Sequence[Series]]) -> list[tuple[str, ...]]:
    """What the chart's columns say of each series, and its number where that has a heading."""
    found = {
        (
            *(one.labels.get(column, "") for column in chart.columns),
            *([units.short(float(one.values[-1]), chart.unit)] if chart.value else []),
        )
        for told in answers
        for one in told
        if len(one.values)
    }
    return sorted(found)[:MAX_ROWS]
