"""Dashboards hold together: variables, widths, and metrics that somebody documents."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.brain.dashboards.catalogue import DASHBOARDS
from jobmend.brain.dashboards.chart import EVERYTHING, Dashboard, Variable, filled
from jobmend.exporter.names import FAMILIES
from tests.brain.dashboards.variables import names_in

ROOT = Path(__file__).parents[3]
ONE = Variable("job", "Job", "x", "jobid", several=False)
SEVERAL = Variable("node", "Node", "x", "instance")
each_board = pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: str(board.name))
# Words of anybody, without what no label can hold: halves of surrogate pairs.
words = st.text(st.characters(exclude_categories=["Cs"]))

# Metrics of ours that no dashboard shows, and why.
NOT_SHOWN: dict[str, str] = {}


def metrics_in(text: str) -> set[str]:
    """Names of metrics; what rules recorded has colons in its name and is none."""
    found = set(re.findall(r"(?<![\w:])(?:jobmend|process)_\w+(?![\w:])", text))
    return {re.sub(r"(_seconds)_(sum|count)$", r"\1", name) for name in found}


def rules() -> str:
    folder = ROOT / "etc" / "prometheus"
    lines = "".join(path.read_text() for path in folder.glob("jobmend-*s.yml"))
    return "".join(line for line in lines.splitlines(True) if "record:" not in line)


def documented() -> set[str]:
    """The agent's metrics, whose page another test holds to the table, and the brain's."""
    brain = re.findall(r"^\| `(jobmend_brain_\w+)", (ROOT / "docs" / "api.md").read_text(), re.M)
    return {*FAMILIES, *brain}


def unquoted(text: str) -> str:
    """A double-quoted string of Go as Python has it; they write these escapes alike."""
    found: str = ast.literal_eval(f'"{text}"')
    return found


@given(words)
def test_a_value_stays_in_its_string(value: str) -> None:
    expr = filled('x{jobid="$job"}', [ONE], {"job": [value]})
    assert expr.startswith('x{jobid="') and expr.endswith('"}')
    told = expr[len('x{jobid="') : -len('"}')]
    assert not re.search(r'(?<!\\)(?:\\\\)*"', told), "nothing ends the string"
    assert "\n" not in told
    assert unquoted(told.replace("\0", "\\0")) == value


@given(st.lists(words.filter(bool), min_size=1, max_size=3))
def test_several_values_match_themselves_and_nothing_else(values: list[str]) -> None:
    expr = filled('x{a=~"$node"}', [SEVERAL], {"node": values})
    pattern = unquoted(expr[len('x{a=~"') : -len('"}')].replace("\0", "\\0"))
    for value in values:
        assert re.fullmatch(pattern, value)
    assert not re.fullmatch(pattern, "".join(values) + "x")


def test_nothing_chosen_is_everything_or_nothing() -> None:
    variables = [ONE, SEVERAL]
    expr = filled('x{a="$job", b=~"$node"}[$rate] + y[$range]', variables, {}, rate="1m")
    assert expr == f'x{{a="", b=~"{EVERYTHING}"}}[1m] + y[6h]'
    with pytest.raises(KeyError):
        filled('x{a="$other"}', variables, {})


@each_board
def test_variables_are_asked_for_as_what_they_are(board: Dashboard) -> None:
    known: set[str] = set()
    for variable in board.variables:
        assert names_in(variable.selector) <= known, "only those before it"
        known.add(variable.name)
    exprs = [query.expr for chart in board.charts() for query in chart.queries]
    exprs += [variable.selector for variable in board.variables]
    for expr in exprs:
        assert names_in(expr) <= known
        for name in names_in(expr):
            sign = "=~" if board.variable(name).several else "="
            assert f'{sign}"${name}"' in expr, expr


@each_board
def test_charts_can_be_drawn(board: Dashboard) -> None:
    titles = [chart.title for chart in board.charts()]
    assert len(set(titles)) == len(titles)
    for chart in board.charts():
        assert chart.title and chart.description.endswith(".")
        assert chart.queries and 1 <= chart.width <= 12
        assert bool(chart.columns) == (chart.kind == "table"), chart.title
        limits = [threshold.value for threshold in chart.thresholds]
        assert limits == sorted(limits)
        if chart.state:
            assert re.fullmatch(r"\{\{\w+\}\}", chart.queries[0].legend), "the label of the lanes"


def test_each_metric_that_is_asked_for_is_documented() -> None:
    for board in DASHBOARDS:
        asked = metrics_in(" ".join(query.expr for c in board.charts() for query in c.queries))
        assert asked <= documented()
    assert metrics_in(re.sub(r"(?m)^ *#.*$", "", rules())) - documented() <= {"jobmend_"}


def test_each_metric_of_ours_is_in_a_dashboard() -> None:
    charts = [chart for board in DASHBOARDS for chart in board.charts()]
    shown = metrics_in(" ".join(query.expr for chart in charts for query in chart.queries))
    assert documented() - shown - metrics_in(rules()) == set(NOT_SHOWN)


def test_the_charts_load_nothing_of_grafana_s() -> None:
    """The panel draws them where the generator's library is not installed."""
    code = (
        "import sys, jobmend.brain.dashboards.catalogue\n"
        "print([name for name in sys.modules if 'grafana' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.stdout == "[]\n", done.stderr
