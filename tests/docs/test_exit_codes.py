"""The page on exit codes names all there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobmend.classifier.failures.arms.rules import KIN, RULE_ARMS
from jobmend.jobs import exit_meanings, exit_wmcore
from jobmend.jobs.exit_meanings import CATEGORIES, DICTIONARIES, aliases

PAGE = (Path(__file__).parents[2] / "docs" / "exit-codes.md").read_text()


def section(title: str) -> str:
    """The part of the page under a heading."""
    return PAGE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_sources_and_their_versions() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", section("Sources"), re.M))
    told = {
        (name, version) for name, cell in rows.items() for version in re.findall("`([^`]+)`", cell)
    }
    assert told == set(DICTIONARIES)


def test_ranges() -> None:
    rows = re.findall(r"^\| (\d+)–(\d+) \| .+ \| ([\w ]+) \|$", section("Sources"), re.M)
    told = [(int(first), int(last), category) for first, last, category in rows]
    assert told == [(first, last, what) for first, last, _, what in exit_wmcore.RANGES]


def test_categories() -> None:
    assert tuple(re.findall(r"^\| `([\w ]+)` \|", section("Categories"), re.M)) == CATEGORIES


def test_aliases() -> None:
    told = {int(code): int(low) for code, low in re.findall(r"(\d+) \| (\d+)", section("Aliases"))}
    assert told == {code: code % 256 for code in exit_wmcore.WRAPPED}
    assert all(aliases(code) == (low,) for code, low in told.items())


def test_arms_and_their_words() -> None:
    part = section("Arms that decide by these codes")
    assert set(re.findall(r"^\| `(rules-\w+)` \|", part, re.M)) == set(RULE_ARMS)
    words = dict(re.findall(r"^\| (\w+) \| ([\w, -]+) \|$", part, re.M))
    assert {action: frozenset(words[action].split(", ")) for action in KIN} == dict(KIN)


@pytest.mark.parametrize("example", re.findall(r"^(\w+\(.+\S)  # (.+)$", PAGE, re.M))
def test_examples(example: tuple[str, str]) -> None:
    call, answer = example
    got = repr(eval(call, vars(exit_meanings)))
    pattern = ".+".join(map(re.escape, answer.split("...")))
    assert re.fullmatch(pattern, got), got
