"""The agent's page read back: as the agent writes it, and as a stranger might."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobmend.exporter.names import FAMILIES
from jobmend.exporter.page import Page as Written
from jobmend.exporter.page import labels
from jobmend.jobs.text import printable
from jobmend.plugins.doctor.page import parse

NAME = "jobmend_job_exit_info"


@given(st.text(max_size=40), st.integers(0, 10**9))
def test_what_the_agent_writes_is_read_back(text: str, value: int) -> None:
    written = Written(FAMILIES)
    written.add(NAME, value, labels(jobid="7", reason=text))
    (sample,) = parse(written.render(False).decode()).of(NAME)
    assert sample.value == value
    assert sample.labels.get("reason", "") == printable(text)


@given(st.text(max_size=200))
def test_no_page_is_an_error(text: str) -> None:
    assert parse(text).total("x") is not None


def test_totals_are_of_the_samples_that_have_the_labels() -> None:
    page = parse(
        '# HELP x y\nx{a="1",b="2"} 3\nx{a="1"} 4 1700000000000\nx{a="2"} 5\nx 1e3\nx{a="1"} bad\n'
    )
    assert (page.total("x", a="1"), page.total("x"), page.total("y")) == (7, 1012, 0)
