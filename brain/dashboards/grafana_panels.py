"""One chart as a panel of Grafana, in the types that Grafana Labs generate from its schemas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from grafana_foundation_sdk.models import (
    bargauge,
    common,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
    units,
)
from grafana_foundation_sdk.models import dashboard as model

from .chart import Chart, Kind, Meaning, Threshold, Unit

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
GRID = 2  # columns of Grafana's grid in a twelfth of the page
HEIGHT = 8
LANES = 64  # of a state timeline at once; the next ones are a page further

_UNITS: Mapping[Unit, str] = {
    "": units.Short,
    "share": units.PercentUnit,
    "seconds": units.Seconds,
    "hours": units.Hours,
    "bytes": units.BytesIEC,
    "bytes/s": units.BytesPerSecondIEC,
    "1/s": units.CountsPerSecond,
    "cores": "suffix: cores",
    "yes/no": units.BoolYesNo,
}
_COLORS: Mapping[Meaning, str] = {"good": "green", "notice": "yellow", "bad": "red"}
# Ten colours of Grafana's that can be told apart, one for each last digit of a job's id.
_OF_DIGITS = (
    *("blue", "orange", "green", "purple", "red"),
    *("yellow", "super-light-blue", "dark-orange", "dark-green", "light-purple"),
)
_PAGES = {"jobid": "job", "instance": "node"}  # columns of tables, and the page of a value
_VARIABLES = {"jobid": "job", "instance": "node"}


def panel(chart: Chart, number: int, x: int, y: int) -> model.Panel:
    """The panel of a chart at a place of Grafana's grid; ``number`` is its id on the page."""
    kind, options, custom = _MAKERS[chart.kind](chart)
    return model.Panel(
        type_val=kind,
        id_val=number,
        title=chart.title,
        description=chart.description,
        datasource=SOURCE,
        targets=[_target(chart, index) for index in range(len(chart.queries))],
        grid_pos=model.GridPos(h=HEIGHT, w=GRID * chart.width, x=x, y=y),
        transformations=_transformations(chart),
        options=options,
        field_config=model.FieldConfigSource(_defaults(chart, custom), _overrides(chart)),
    )


def to_grafana(expr: str) -> str:
    """An expression with Grafana's own names of the spans."""
    return expr.replace("$rate", "$__rate_interval").replace("$range", "$__range")


def _target(chart: Chart, index: int) -> prometheus.Dataquery:
    query = chart.queries[index]
    as_table = chart.kind == "table" or bool(chart.state)
    form = prometheus.PromQueryFormat.TABLE if as_table else None
    return prometheus.Dataquery(
        expr=to_grafana(query.expr),
        instant=not chart.over_time,
        range_val=chart.over_time,
        editor_mode=prometheus.QueryEditorMode.CODE,
        format_val=form or prometheus.PromQueryFormat.TIME_SERIES,
        legend_format=query.legend or "__auto",
        ref_id=_ref(index),
        datasource=SOURCE,
    )


def _ref(index: int) -> str:
    return chr(ord("A") + index)


def _defaults(chart: Chart, custom: object) -> model.FieldConfig:
    mode = model.FieldColorModeId.PALETTE_CLASSIC
    if chart.thresholds and chart.kind != "timeseries":
        mode = model.FieldColorModeId.THRESHOLDS
    return model.FieldConfig(
        # A job's id is a word, though it looks like a number to be shortened.
        unit="string" if chart.state else _UNITS[chart.unit],
        min_val=0 if chart.kind in ("timeseries", "bars") else None,
        max_val=chart.maximum,
        color=model.FieldColor(mode=mode),
        thresholds=_thresholds(chart.thresholds),
        mappings=_digits() if chart.state else None,
        display_name=f"${{__field.labels.{_lane(chart)}}}" if chart.state else None,
        custom=custom,
    )


def _thresholds(thresholds: tuple[Threshold, ...]) -> model.ThresholdsConfig:
    lowest: Meaning = "bad" if thresholds and thresholds[0].meaning == "good" else "good"
    steps = [model.Threshold(None, _COLORS[lowest])]
    steps += [model.Threshold(one.value, _COLORS[one.meaning]) for one in thresholds]
    return model.ThresholdsConfig(model.ThresholdsMode.ABSOLUTE, steps)


def _digits() -> list[model.ValueMapping]:
    """Jobs by the last digit of their ids; the 0 last, as HTCondor's ids end with a ``.0``."""
    return [
        model.RegexMap(
            model.DashboardRegexMapOptions(
                pattern=rf"/{digit}(\.0)?$/",
                result=model.ValueMappingResult(color=_OF_DIGITS[digit], index=place),
            )
        )
        for place, digit in enumerate((*range(1, 10), 0))
    ]


def _lane(chart: Chart) -> str:
    """The label that a lane is named by."""
    return chart.queries[0].legend.strip("{}")


def _transformations(chart: Chart) -> list[model.DataTransformerConfig] | None:
    if chart.state:
        lanes = {"fields": [_lane(chart)], "keepFields": False, "naming": {"asLabels": True}}
        return [  # in this order: fields of one frame are left out, those of many are not
            _transformation("organize", {"excludeByName": {"Value": True}}),
            _transformation("partitionByValues", lanes),
        ]
    if chart.kind == "table":
        shown = [*chart.columns, *(["Value"] if chart.value else [])]
        order = {
            "indexByName": {name: place for place, name in enumerate(shown)},
            "renameByName": {"Value": chart.value} if chart.value else {},
        }
        return [
            _transformation("filterFieldsByName", {"include": {"names": shown}}),
            _transformation("organize", order),
        ]
    return None


def _transformation(name: str, options: Mapping[str, Any]) -> model.DataTransformerConfig:
    return model.DataTransformerConfig(id_val=name, options=options)


def _overrides(chart: Chart) -> list[model.DashboardFieldConfigSourceOverrides]:
    """Limits are drawn dashed and are no part of a stack; ids in tables lead to their pages."""
    plain = {"mode": "none", "group": "A"}
    dashed = [
        _override(
            "byFrameRefID",
            _ref(index),
            ("custom.lineStyle", {"fill": "dash", "dash": [10, 10]}),
            ("custom.fillOpacity", 0),
            ("custom.stacking", plain),
        )
        for index, query in enumerate(chart.queries)
        if query.dashed
    ]
    linked = [_override("byName", name, ("links", [_link(name)])) for name in chart.columns
              if name in _PAGES]  # fmt: skip
    return dashed + linked


def _link(name: str) -> dict[str, str]:
    page = f"/d/jobmend-{_PAGES[name]}?${{__url_time_range}}&var-datasource=${{datasource}}"
    url = f"{page}&var-{_VARIABLES[name]}=${{__value.raw:percentencode}}"
    return {"title": f"its {_PAGES[name]} page", "url": url}


def _override(
    by: str, whom: str, *properties: tuple[str, object]
) -> model.DashboardFieldConfigSourceOverrides:
    return model.DashboardFieldConfigSourceOverrides(
        model.MatcherConfig(by, whom), [model.DynamicConfigValue(*one) for one in properties]
    )


# ---- each kind: the name of the panel, its options, what its fields are drawn like -------------

Made = tuple[str, object, object]

_LAST = common.ReduceDataOptions(values=False, calcs=["lastNotNull"], fields="")


def _timeseries(chart: Chart) -> Made:
    legend = common.VizLegendOptions(
        common.LegendDisplayMode.LIST, common.LegendPlacement.BOTTOM, show_legend=True, calcs=[]
    )
    tooltip = common.VizTooltipOptions(common.TooltipDisplayMode.MULTI, common.SortOrder.DESCENDING)
    drawn = common.GraphThresholdsStyleMode
    custom = common.GraphFieldConfig(
        line_width=1,
        fill_opacity=30 if chart.stacked else 0,
        show_points=common.VisibilityMode.AUTO,
        stacking=common.StackingConfig(
            common.StackingMode.NORMAL if chart.stacked else common.StackingMode.NONE, "A"
        ),
        thresholds_style=common.GraphThresholdsStyleConfig(
            drawn.DASHED if chart.thresholds else drawn.OFF
        ),
    )
    return "timeseries", timeseries.Options(legend=legend, tooltip=tooltip), custom


def _stat(chart: Chart) -> Made:
    options = stat.Options(
        graph_mode=common.BigValueGraphMode.NONE,
        text_mode=common.BigValueTextMode.VALUE_AND_NAME,
        reduce_options=_LAST,
    )
    return "stat", options, None


def _bars(chart: Chart) -> Made:
    options = bargauge.Options(
        display_mode=common.BarGaugeDisplayMode.BASIC,
        orientation=common.VizOrientation.HORIZONTAL,
        reduce_options=_LAST,
    )
    return "bargauge", options, None


def _table(chart: Chart) -> Made:
    return "table", table.Options(), common.TableFieldOptions(align=common.FieldTextAlignment.AUTO)


def _heatmap(chart: Chart) -> Made:
    options = heatmap.Options(
        calculate=False,
        color=heatmap.HeatmapColorOptions(
            mode=heatmap.HeatmapColorMode.SCHEME,
            scheme="Oranges",
            fill="dark-orange",
            scale=heatmap.HeatmapColorScale.LINEAR,
            steps=32,
            min_val=0,
            max_val=chart.maximum,
        ),
        cell_values=heatmap.CellValues(unit=_UNITS[chart.unit]),
        tooltip=heatmap.HeatmapTooltip(common.TooltipDisplayMode.SINGLE),
        legend=heatmap.HeatmapLegend(show=True),
    )
    return "heatmap", options, heatmap.FieldConfig()


def _state_timeline(chart: Chart) -> Made:
    options = statetimeline.Options(
        show_value=common.VisibilityMode.AUTO, row_height=0.9, per_page=LANES
    )
    return "state-timeline", options, statetimeline.FieldConfig(fill_opacity=80)


_MAKERS: Mapping[Kind, Callable[[Chart], Made]] = {
    "timeseries": _timeseries,
    "stat": _stat,
    "bars": _bars,
    "table": _table,
    "heatmap": _heatmap,
    "state-timeline": _state_timeline,
}
