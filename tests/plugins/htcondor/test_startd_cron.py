"""What STARTD_CRON's program makes of the agent's file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.agent.standing import INTERVAL_SECONDS, Standing, render
from jobmend.plugins.htcondor import node_health

PROGRAM = Path(sys.executable).with_name("jobmend-condor-node")
# Attribute = a number, a truth or a string without anything to escape.
LINE = re.compile(r'Jobmend[A-Za-z]+ = (?:[0-9.e+-]+|true|false|"[^"\\\x00-\x1f\x7f]*")')


def attributes(text: str) -> dict[str, str]:
    *lines, mark, empty = text.split("\n")
    assert (mark, empty) == ("- update:true", "")
    assert all(LINE.fullmatch(line) for line in lines), text
    return dict(line.split(" = ", 1) for line in lines)


def test_what_the_agent_tells_is_published() -> None:
    text = render(Standing(4, 2, 1, stalled_users=2, anomaly_score=0.25), 1000.0)
    assert attributes(node_health.attributes(text.encode(), 1005.0)) == {
        "JobmendAgentUp": "true",
        "JobmendTime": "1005",
        "JobmendNodeHealthy": "false",
        "JobmendStalledJobs": "2",
        "JobmendContendedJobs": "1",
        "JobmendAnomalyScore": "0.25",
        "JobmendNodeReason": '"jobs stall"',
    }


def test_what_the_agent_does_not_tell_is_absent() -> None:
    told = attributes(node_health.attributes(render(Standing(0, 0, 0), 9.0).encode(), 9.0))
    assert "JobmendAnomalyScore" not in told and told["JobmendNodeHealthy"] == "true"


@pytest.mark.parametrize("age", [node_health.STALE_SECONDS + 1, -3600])
def test_an_agent_that_is_away_makes_no_node_unhealthy(age: float) -> None:
    text = render(Standing(4, 4, 0, stalled_users=4), 5000.0 - age)
    told = attributes(node_health.attributes(text.encode(), 5000.0))
    assert told == {"JobmendAgentUp": "false", "JobmendTime": "5000"}
    assert 3 * INTERVAL_SECONDS < node_health.STALE_SECONDS


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.dictionaries(
        st.sampled_from(["time", "healthy", "reason", "stalled_jobs", "anomaly_score"]), inner
    ),
).map(lambda document: json.dumps(document).encode()))  # fmt: skip
def test_a_hostile_file_makes_no_line_of_its_own(data: bytes) -> None:
    attributes(node_health.attributes(data, 1000.0))
    told = attributes(node_health.attributes(b'{"time": 1000, "reason": %s}' % data, 1000.0))
    assert "JobmendNodeHealthy" not in told


def test_the_program_reads_a_regular_file_alone(tmp_path: Path) -> None:
    real = tmp_path / "node.json"
    real.write_text(render(Standing(0, 0, 0), time.time()))
    (tmp_path / "link").symlink_to(real)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name, up in {"node.json": "true", "link": "false", "pipe": "false"}.items():
        assert run(tmp_path / name)["JobmendAgentUp"] == up
    for name in ("folder", "missing"):
        assert run(tmp_path / name)["JobmendAgentUp"] == "false"


def run(path: Path) -> dict[str, str]:
    done = subprocess.run([PROGRAM, "JOBMEND", str(path)], capture_output=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, b"")
    return attributes(done.stdout.decode())
