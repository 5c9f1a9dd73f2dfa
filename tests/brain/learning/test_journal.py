"""The journal of a turn: steps are found again, unless what they wrote is not what it was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.brain.learning.journal import NAME, Journal


@dataclass(frozen=True)
class Output:
    number: float
    parts: tuple[str, ...] = ()


def written(folder: Path) -> Journal:
    journal = Journal(folder)
    for step in ("one", "two", "three"):
        (folder / step).mkdir()
        (folder / step / "file").write_text(step)
        journal.add(step, Output(1.5, (step,)), [step], 10.0, 2.0, {"cpu_seconds": 1.0})
    return journal


def test_steps_are_found_by_the_next_process(tmp_path: Path) -> None:
    written(tmp_path)
    again = Journal(tmp_path)
    assert again.find("two", Output) == Output(1.5, ("two",))
    assert again.find("four", Output) is None
    assert again.entry("two").seconds == 2.0
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_step_whose_files_changed_is_not_done(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "two" / "file").write_text("other")
    (tmp_path / "three" / "file").unlink()
    again = Journal(tmp_path)
    assert again.find("one", Output) is not None
    assert again.find("two", Output) is None
    assert again.find("three", Output) is None


def test_what_is_kept_is_what_was_gone_through(tmp_path: Path) -> None:
    journal = written(tmp_path)
    journal.keep({"one", "never"})
    assert [entry.step for entry in journal.entries] == ["one"]


def test_an_output_of_another_version_is_not_taken(tmp_path: Path) -> None:
    written(tmp_path)
    document = json.loads((tmp_path / NAME).read_text())
    document[0]["output"] = {"other": 1}
    (tmp_path / NAME).write_text(json.dumps(document))
    assert Journal(tmp_path).find("one", Output) is None


@given(st.binary(max_size=200))
def test_whatever_lies_there_is_an_empty_journal_at_worst(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    (folder / NAME).write_bytes(data)
    assert Journal(folder).find("one", Output) is None
