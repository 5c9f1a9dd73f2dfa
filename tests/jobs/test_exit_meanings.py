"""Exit codes keep their sources apart, and no code is too odd to be read."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Mapping
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.jobs import exit_atlas, exit_htcondor, exit_slurm, exit_wmcore
from jobmend.jobs.exit_meanings import CATEGORIES, DICTIONARIES, Meaning, aliases, category, meaning
from jobmend.jobs.exits import Exit, ExitKind

MEANINGS = [found for rows in DICTIONARIES.values() for found in rows.values()]
A_MILLION = 10**6


def read(code: str, source: str = "", version: str = "") -> Meaning:
    found = meaning(code, source, version)
    assert found is not None, code
    return found


def test_every_row_has_a_text_and_a_known_category() -> None:
    assert len(MEANINGS) > 450
    wrong = [m for m in MEANINGS if m.category not in CATEGORIES or not m.text.strip()]
    assert wrong == []
    assert {what for *_, what in exit_wmcore.RANGES} <= set(CATEGORIES)


def test_every_source_finds_its_own_rows() -> None:
    for (source, version), rows in DICTIONARIES.items():
        for code, found in rows.items():
            assert (found.source, found.version, found.code) == (source, version, code)
            assert meaning(code, source, version) == found


def literal_keys(module: ModuleType, name: str) -> list[str]:
    """The keys of a table as they are written: a dict would hide a row that stands there twice."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == [name]:
            assert isinstance(node.value, ast.Dict)
            return [ast.unparse(key) for key in node.value.keys if key is not None]
    raise AssertionError(name)


@pytest.mark.parametrize(
    ("module", "name", "table"),
    [
        (exit_wmcore, "CODES", exit_wmcore.CODES),
        (exit_wmcore, "OPERATORS", exit_wmcore.OPERATORS),
        (exit_atlas, "CODES", exit_atlas.CODES),
        (exit_htcondor, "HOLD_KINDS", exit_htcondor.HOLD_KINDS),
        (exit_slurm, "STATES", exit_slurm.STATES),
        (exit_slurm, "REASONS", exit_slurm.REASONS),
    ],
)
def test_no_code_stands_twice(
    module: ModuleType, name: str, table: Mapping[object, object]
) -> None:
    assert len(literal_keys(module, name)) == len(table)


def strictly_rising(numbers: Iterable[int]) -> bool:
    listed = list(numbers)
    return listed == sorted(set(listed))


def test_tables_are_in_order_and_complete() -> None:
    assert strictly_rising(exit_wmcore.CODES)
    assert strictly_rising(exit_atlas.CODES)
    assert list(exit_htcondor.HOLD_KINDS) == list(range(50))
    assert {kind for _, kind in exit_htcondor.HOLD_KINDS.values()} <= {k.value for k in ExitKind}
    assert set(exit_slurm.STATE_KINDS) <= set(exit_slurm.STATES)


def test_ranges_do_not_overlap_and_hold_the_rows() -> None:
    edges = [edge for first, last, *_ in exit_wmcore.RANGES for edge in (first, last)]
    assert strictly_rising(edges)
    outside = [
        code
        for code in exit_wmcore.CODES
        if not any(first <= code <= last for first, last, *_ in exit_wmcore.RANGES)
    ]
    assert outside == [-1]


@pytest.mark.parametrize(
    ("code", "source", "version", "what"),
    [
        ("71104", "", "", "site"),  # a bare number is read as the operators read it
        ("71104", "operators", "", "site"),
        ("71104", "wmcore", "", "other"),
        ("71104", "wmcore", "before 2020-02", "site"),
        ("71103", "wmcore", "", "site"),
        ("71103", "wmcore", "before 2020-02", "other"),
        ("61104", "wmcore", "before 2015-12", "site"),
        ("61104", "wmcore", "", "site"),  # the newest version that knows it
        ("8020", "wmcore", "before 2015-12", "input"),  # told by the newer ones alone
        ("99109", "operators", "", "output"),
        ("99109", "wmcore", "", "other"),
        ("65", "", "", "program"),
        ("65", "crab", "", "program"),
        ("65", "posix", "", "input"),
        ("exit:65", "", "", "input"),
        ("66", "", "", "program"),
        ("exit:66", "", "", "input"),
        ("73", "", "", "site"),
        ("exit:73", "", "", "output"),
        ("34", "", "", "program"),
        ("34", "htcondor", "", "memory"),
        ("34.102", "htcondor", "", "memory"),
        ("34.104", "htcondor", "", "output"),
        ("13", "htcondor", "", "input"),
        ("1305", "", "", "program"),
        ("1305", "atlas", "", "program"),
        ("0:125", "slurm", "", "memory"),
        ("CANCELLED by 20001", "slurm", "", "killed"),
        ("RaisedSignal:9(Killed)", "slurm", "", "program"),
    ],
)
def test_one_number_many_meanings(code: str, source: str, version: str, what: str) -> None:
    assert read(code, source, version).category == what


def test_what_no_dictionary_knows() -> None:
    assert meaning("8020", "a scheduler of tomorrow") is None
    assert meaning("8020", "wmcore", "a version of tomorrow") is None
    assert meaning("8020", "atlas") is None
    assert meaning("banana") is None
    assert category("banana") == "other"
    assert category("6000") == "other"  # between all ranges


@pytest.mark.parametrize("code", ["-1", "-2", "0", "unknown", "exit:?", "99303", "80001"])
def test_not_reported_is_a_category_of_its_own(code: str) -> None:
    assert category(code) == "not reported"


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("50660", "memory"),
        ("8004", "memory"),
        ("50664", "time"),
        ("92", "input"),
        ("137", "killed"),
        ("139", "program"),
        ("136", "program"),  # not listed: 128 + SIGFPE
        ("50999", "program"),  # not listed: its range
        ("69999", "output"),
        ("exit:3", "program"),
        ("exit:75", "network"),
        ("exit:137", "killed"),
        ("signal:11", "program"),
        ("signal:24", "time"),
        ("signal:63", "killed"),
    ],
)
def test_categories(code: str, what: str) -> None:
    assert category(code) == what


def test_every_end_of_our_own_is_known() -> None:
    keys = {Exit("slurm", kind, signal=9).key for kind in ExitKind}
    assert {key for key in keys if meaning(key) is None} == set()


def test_aliases_are_the_low_eight_bits_both_ways() -> None:
    for code in exit_wmcore.WRAPPED:
        assert aliases(code) == (code % 256,)
        assert code in aliases(code % 256)
        assert read(str(code)).category == read(str(code % 256), "crab").category
    assert aliases(8020) == (84,)
    assert aliases(243) == (60403,)
    assert aliases(50660) == ()  # the wrapper does not hand it on; 228 means nothing


def test_an_alias_that_nobody_lists_is_read_as_what_it_was() -> None:
    assert read("87").text.startswith("8023 modulo 256")
    assert category("87") == category("8023")


@given(
    st.one_of(
        st.text(),
        st.integers().map(str),
        st.sampled_from(["exit", "signal", "slurm", ""]).flatmap(
            lambda word: st.one_of(st.integers().map(str), st.text()).map(lambda n: f"{word}:{n}")
        ),
    )
)
def test_any_text_has_a_category(code: str) -> None:
    found = meaning(code)
    assert category(code) == (found.category if found else "other")
    assert category(code) in CATEGORIES


@given(st.text(), st.sampled_from(sorted({source for source, _ in DICTIONARIES})), st.text())
def test_any_text_of_any_source_is_read_or_unknown(code: str, source: str, version: str) -> None:
    for asked in ("", version):
        found = meaning(code, source, asked)
        assert found is None or found.source in (source, "wmcore", "posix")


@pytest.mark.parametrize("code", ["9" * A_MILLION, "exit:" + "1" * A_MILLION, "a" * A_MILLION, "٣"])
def test_endless_and_foreign_digits_are_other(code: str) -> None:
    assert category(code) == "other"
    assert meaning(code) is None
