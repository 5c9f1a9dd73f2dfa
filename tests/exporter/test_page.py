from __future__ import annotations

import math
import shutil
import subprocess

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families

from jobmend.exporter.names import FAMILIES, Family
from jobmend.exporter.page import Columns, Page, labels

TWO = {
    "demo_bytes": Family("demo_bytes", "gauge", "A gauge.", ("jobid",)),
    "demo_total": Family("demo_total", "counter", "A counter."),
    "demo_seconds": Family("demo_seconds", "summary", "A summary."),
}


def test_a_page_is_exactly_this() -> None:
    page = Page(TWO)
    page.add_summary("demo_seconds", 1.5, 3)
    page.add("demo_total", 12.0)
    page.add("demo_bytes", 0.25, labels(jobid="7"))
    page.add("demo_bytes", 4096, labels(jobid="8", run=""))
    assert page.render() == (
        b"# HELP demo_bytes A gauge.\n# TYPE demo_bytes gauge\n"
        b'demo_bytes{jobid="7"} 0.25\ndemo_bytes{jobid="8"} 4096\n'
        b"# HELP demo_total A counter.\n# TYPE demo_total counter\ndemo_total 12\n"
        b"# HELP demo_seconds A summary.\n# TYPE demo_seconds summary\n"
        b"demo_seconds_sum 1.5\ndemo_seconds_count 3\n"
    )


def test_what_is_not_measured_leaves_no_series_and_no_head() -> None:
    page = Page(TWO)
    page.add("demo_bytes", None)
    page.add("demo_bytes", math.nan)
    assert page.render() == b""


def test_a_second_sample_of_the_same_labels_is_counted_and_left_out() -> None:
    page = Page(TWO)
    page.add("demo_bytes", 1, labels(jobid="7"))
    page.add("demo_bytes", 2, labels(jobid="7"))
    assert page.duplicates == 1
    assert page.render().count(b"demo_bytes{") == 1


def test_a_name_that_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(KeyError):
        Page(TWO).add("other_bytes", 1)


@pytest.mark.parametrize(
    ("value", "read_back"),
    [
        ('a"b\\c', 'a"b\\c'),
        ("line\nbreak", "line\ufffdbreak"),
        ("\x1b[31mred", "\ufffd[31mred"),
        (b"caf\xe9".decode(errors="surrogateescape"), "caf\ufffd"),
        ("x" * 500, "x" * 199 + "…"),
        ("日本", "日本"),
        ('"} 1\nfake_metric{x="', '"} 1\ufffdfake_metric{x="'),
    ],
)
def test_hostile_label_values_come_back_as_one_label(value: str, read_back: str) -> None:
    page = Page(TWO)
    page.add("demo_bytes", 1, labels(jobid=value))
    (family,) = text_string_to_metric_families(page.render().decode())
    assert [sample.labels for sample in family.samples] == [{"jobid": read_back}]


def test_promtool_finds_nothing_to_say_about_the_whole_table() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH (Debian package prometheus)")
    page = Page(FAMILIES)
    for family in FAMILIES.values():
        if family.type == "summary":
            page.add_summary(family.name, 1.5, 2)
        else:
            page.add(family.name, 1, labels(**dict.fromkeys(family.labels, "x")))
    done = subprocess.run([promtool, "check", "metrics"], input=page.render(), capture_output=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_columns_fill_a_template_with_the_kernels_own_digits() -> None:
    columns = Columns(
        [("demo_bytes", 0), ("demo_total", -6)], [labels(jobid="7%"), labels(jobid='%b"')]
    )
    page = Page(TWO)
    columns.put(page, [[b"1", b"1500000"], [b"2", b"7"]])
    page.add("demo_bytes", 3)
    assert page.render() == (
        b"# HELP demo_bytes A gauge.\n# TYPE demo_bytes gauge\n"
        b'demo_bytes{jobid="7%"} 1\ndemo_bytes{jobid="%b\\""} 2\ndemo_bytes 3\n'
        b"# HELP demo_total A counter.\n# TYPE demo_total counter\n"
        b'demo_total{jobid="7%"} 1500000e-6\ndemo_total{jobid="%b\\""} 7e-6\n'
    )


def test_rows_that_do_not_fit_the_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="another length"):
        Columns([("demo_bytes", 0)], ['jobid="7"']).put(Page(TWO), [[b"1", b"2"]])


def test_openmetrics_names_counters_without_their_suffix_and_says_its_end() -> None:
    page = Page(TWO)
    page.add("demo_total", 12)
    page.add("demo_bytes", 1)
    text = page.render(openmetrics=True)
    assert text == (
        b"# HELP demo_bytes A gauge.\n# TYPE demo_bytes gauge\ndemo_bytes 1\n"
        b"# HELP demo A counter.\n# TYPE demo counter\ndemo_total 12\n# EOF\n"
    )
    assert [family.name for family in parse_openmetrics(text.decode())] == ["demo_bytes", "demo"]
