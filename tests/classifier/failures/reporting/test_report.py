"""The page stands alone and shows hostile text as text."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.classifier.failures.evaluation.intervals import Interval
from jobmend.classifier.failures.reporting import report
from jobmend.classifier.failures.reporting.report import (
    Picture,
    Report,
    Section,
    Table,
    build,
    shown,
)

HOSTILE = "</td><script>alert(1)</script>\" onload='x' {{ 7 * 7 }} \x1b[31m\u202e"
PNG = b"\x89PNG\r\n\x1a\n"
ABSENT = "absent" * 10  # no other word of a test is as long
VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Counts tags, checks that they are closed, and keeps what could load something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), "no script in an attribute"
            if name == "src":
                self.loads.append(value or "")
            if name == "href":
                self.links.add(value or "")
            if name == "id":
                self.anchors.add(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def made(word: str = "by-pass", *, synthetic: bool = True) -> Report:
    table = Table(["class", word], [[word, 0.5], ["b", None]], word, frozenset([1]))
    section = Section(
        "data", word, [word], {word: word, ABSENT: None}, [table], [Picture("roc", word, PNG)]
    )
    other = Section("trust", "Trust")
    return Report(word, [word], [section, other], synthetic, "Made now.")


@pytest.mark.parametrize("word", ["by-pass", HOSTILE])
def test_a_page_is_well_formed_and_loads_nothing(word: str) -> None:
    page = Page(build(made(word)).decode())
    assert page.open == []
    assert "script" not in page.tags and "link" not in page.tags and "iframe" not in page.tags
    assert page.loads and all(src.startswith("data:image/png;base64,") for src in page.loads)
    assert {link.removeprefix("#") for link in page.links} <= page.anchors


def test_hostile_text_is_shown_as_text() -> None:
    text = build(made(HOSTILE)).decode()
    assert "<script" not in text
    assert "\x1b" not in text and "\u202e" not in text
    assert "{{ 7 * 7 }}" in Page(text).words


@given(st.text(min_size=1, max_size=50))
def test_any_text_leaves_the_page_whole(word: str) -> None:
    page, plain = Page(build(made(word)).decode()), Page(build(made()).decode())
    assert page.tags == plain.tags


def test_the_page_says_synthetic_only_where_the_data_is() -> None:
    assert "generated history" in Page(build(made()).decode()).words
    assert "generated history" not in Page(build(made(synthetic=False)).decode()).words.lower()


def test_the_policy_allows_pictures_of_the_page_and_its_own_style_alone() -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', build(made()).decode())
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")


def test_the_same_report_gives_the_same_bytes() -> None:
    assert build(made()) == build(made())


def test_a_long_table_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MAX_ROWS", 3)
    table = Table(["site"], [[f"site{number}"] for number in range(5)])
    page = Page(build(Report("r", [], [Section("s", "S", tables=[table])], False, "")).decode())
    assert "site2" in page.words and "site3" not in page.words
    assert "2 more rows" in page.words


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (7582, "7,582"),
        (0.123456, "0.1235"),
        (Interval(0.5, 0.4, 0.6), "0.500 (0.400 to 0.600)"),
        (Interval(0.5), "0.5"),
        (Interval(-0.0, -0.0, 0.0), "0.000 (0.000 to 0.000)"),
        ("a\nb", "a\ufffdb"),
    ],
)
def test_values_are_shown(value: report.Value, expected: str) -> None:
    assert shown(value) == expected


def test_pictures_are_named_by_file() -> None:
    assert made().pictures == {"roc.png": PNG}
