"""What is printed: the same findings for a terminal, a pipe and a machine."""

from __future__ import annotations

import json

import pytest

from jobmend.plugins.doctor import report
from jobmend.plugins.doctor.findings import Check, Finding

GOOD = Check("good one", "x(1)").good("all is well")
BAD = Check("slurm prolog", "slurm.conf(5), Prolog").bad("it is " + "very " * 30 + "bad", "mend it")
HOSTILE = "w\x1b[2J\u202e\r\nforged\tcell"


def test_a_pipe_gets_a_line_for_each_finding() -> None:
    header, good, bad = report.lines([GOOD, BAD])
    assert header.split("\t") == ["CHECK", "RESULT", "FINDING", "CURE", "MANUAL"]
    assert good.split("\t") == ["good one", "good", "all is well", "-", "x(1)"]
    assert bad.split("\t")[3:] == ["mend it", "slurm.conf(5), Prolog"]


def test_a_terminal_gets_blocks_that_fit_it() -> None:
    told = report.blocks([GOOD, BAD], 60)
    assert told[0] == "good  good one      all is well"
    assert told[1].startswith("BAD   slurm prolog  it is very")
    assert told[-2:] == [f"{'':20}cure: mend it", f"{'':20}see: slurm.conf(5), Prolog"]
    assert max(map(len, told)) < 60


def test_a_machine_gets_json_and_the_exit_status() -> None:
    first, second = json.loads(report.document([GOOD, BAD]))
    assert list(first) == ["check", "level", "text", "cure", "manual"]
    assert (first["level"], second["level"]) == ("good", "bad")
    assert (report.status([GOOD]), report.status([GOOD, BAD]), report.status([])) == (0, 1, 0)


def test_nothing_in_a_finding_reaches_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile: Finding = Check("agent", "x").bad(HOSTILE, HOSTILE)
    for terminal in (True, False):
        report.show([hostile], terminal=terminal)
    report.show([hostile], as_json=True)
    out = capsys.readouterr().out
    assert not {"\x1b", "\u202e", "\r"} & set(out)
    assert "\nforged" not in out
