"""Pictures of charts: what stands on them, and where."""

from __future__ import annotations

import dataclasses
import math
import re
import warnings
from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np
import pytest

from jobmend.brain.dashboards.catalogue import DASHBOARDS
from jobmend.brain.dashboards.chart import Chart, Kind, Query, Threshold, Unit
from jobmend.brain.panel import drawing, units
from jobmend.brain.sources.promql import Series

END = 1_800_000_000.0
START = END - 3600
UP_IS_GOOD = (Threshold(1, "good"),)


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    """What matplotlib cannot lay out it says in a warning, which lands in the brain's log."""
    with warnings.catch_warnings():
        for kind in (UserWarning, RuntimeWarning):
            warnings.simplefilter("error", kind)
        yield


def series(value: float, **labels: str) -> Series:
    times = np.arange(START, END, 60.0)
    return Series(labels, times, np.full(len(times), float(value)))


def chart_of(kind: Kind, unit: Unit = "", thresholds: tuple[Threshold, ...] = ()) -> Chart:
    return Chart("One", kind, unit, (Query("x", "{{name}}"),), "Of a test.", thresholds)


def drawn(chart: Chart, *told: Series) -> ElementTree.Element:
    lines = drawing.lines_of(chart, [told])
    return ElementTree.fromstring(drawing.svg(chart, lines, START, END))


def words_on(picture: ElementTree.Element) -> list[str]:
    return ["".join(one.itertext()).strip() for one in picture.iter() if one.tag.endswith("}text")]


@pytest.mark.parametrize(
    "chart",
    [
        pytest.param(chart, id=f"{board.name}, {chart.title}")
        for board in DASHBOARDS
        for chart in board.charts()
        if chart.kind not in ("stat", "table")
    ],
)
def test_a_chart_of_nothing_says_so_in_its_middle(chart: Chart) -> None:
    picture = ElementTree.fromstring(drawing.svg(chart, [], START, END))
    _, _, width, height = (float(one) for one in picture.attrib["viewBox"].split())
    (said,) = [
        one
        for one in picture.iter()
        if one.tag.endswith("}text") and "nothing is told of this" in "".join(one.itertext())
    ]
    (place,) = re.findall(r"translate\(([\d.-]+) ([\d.-]+)\)", said.attrib["transform"]) or [
        (said.attrib["x"], said.attrib["y"])
    ]
    assert 0.2 * width < float(place[0]) < 0.8 * width
    assert 0 < float(place[1]) < height


def test_the_axis_of_time_names_its_zone() -> None:
    words = words_on(drawn(chart_of("timeseries"), series(1, name="a")))
    assert "2027-01-15 UTC" in words


def test_a_threshold_says_what_it_means() -> None:
    chart = chart_of("timeseries", "share", (Threshold(1e-9, "notice"), Threshold(0.3, "bad")))
    words = words_on(drawn(chart, series(0.1, name="a")))
    assert "bad from 30 %" in words and not any("notice" in word for word in words)


def test_a_lane_says_what_its_colours_mean() -> None:
    chart = chart_of("state-timeline", "yes/no", UP_IS_GOOD)
    words = words_on(drawn(chart, series(1, name="n1"), series(0, name="n2")))
    assert {"n1", "n2", "yes", "no"} <= set(words)


@pytest.mark.parametrize(
    ("thresholds", "below"),
    [(UP_IS_GOOD, "bad"), ((Threshold(1, "bad"),), "good"), ((Threshold(1, "notice"),), "good")],
)
def test_below_the_lowest_threshold_is_what_grafana_makes_of_it(
    thresholds: tuple[Threshold, ...], below: str
) -> None:
    assert units.colour(0, thresholds) == below
    assert units.colour(1, thresholds) == thresholds[0].meaning
    assert units.colour(0, ()) == ""


@pytest.mark.parametrize(
    ("reach", "unit", "step"),
    [
        (8.3 * 2**20, "bytes", 2 * 2**20),
        (0.5, "bytes/s", 1),
        (3600, "seconds", 900),
        (3 * 3600, "seconds", 3600),
        (10 * 86400, "seconds", 2 * 86400),
        (0.003, "seconds", None),
        (7, "cores", None),
    ],
)
def test_ticks_are_round_in_their_unit(reach: float, unit: Unit, step: float | None) -> None:
    assert units.step(reach, unit) == step
    if step:
        assert 1 <= math.floor(reach / step) + 1 <= units.MOST_TICKS + 1


def test_an_axis_of_bytes_has_round_ticks() -> None:
    words = words_on(drawn(chart_of("timeseries", "bytes"), series(7 * 2**20, name="a")))
    assert {"2 MiB", "4 MiB", "6 MiB"} <= set(words)


def with_a_gap(told: Series) -> Series:
    known = (told.times < START + 600) | (told.times > START + 3000)
    return Series(told.labels, told.times[known], told.values[known])


def longest_path(picture: ElementTree.Element) -> str:
    return max((one.attrib["d"] for one in picture.iter() if one.tag.endswith("}path")), key=len)


def test_no_line_leads_over_what_was_not_measured() -> None:
    chart, whole = chart_of("timeseries"), series(1, name="a")
    assert longest_path(drawn(chart, whole)).count("M") == 1
    assert longest_path(drawn(chart, with_a_gap(whole))).count("M") == 2


def test_an_area_is_flat_over_what_was_not_measured() -> None:
    chart = dataclasses.replace(chart_of("timeseries"), stacked=True)

    def lower_less_upper(told: Series) -> int:
        """Corners at the ground less corners at the height of the values."""
        heights = re.findall(r"[ML] [\d.]+ ([\d.]+)", longest_path(drawn(chart, told)))
        known = [float(one) for one in heights]
        return known.count(max(known)) - known.count(min(known))

    whole = series(1, name="a")
    assert lower_less_upper(with_a_gap(whole)) - lower_less_upper(whole) == 4, "down and up again"


@pytest.mark.parametrize("kind", ["timeseries", "bars", "heatmap", "state-timeline"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_not_drawn(kind: Kind, value: float) -> None:
    chart = chart_of(kind, thresholds=(Threshold(1, "bad"),))
    assert "nothing is told of this" in words_on(drawn(chart, series(value, name="a")))
    assert "nothing is told of this" not in words_on(
        drawn(chart, series(value, name="a"), series(2, name="b"))
    )
