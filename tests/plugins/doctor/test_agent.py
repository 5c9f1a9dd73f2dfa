"""What an agent's page tells the doctor, good and bad."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobmend.plugins.doctor import agent
from jobmend.plugins.doctor.findings import Finding, Level
from jobmend.plugins.doctor.page import parse

ROOT = Path(__file__).parents[3]
EVENTS = "jobmend_agent_hook_events_total"


def hooks(*lines: str) -> Finding:
    return agent.check_hooks(parse("\n".join(lines)))


def test_hooks_that_speak_are_good() -> None:
    found = hooks(
        f'{EVENTS}{{hook="start",result="accepted"}} 3',
        f'{EVENTS}{{hook="end",result="accepted"}} 2',
    )
    assert (found.level, found.text[:19]) == (Level.GOOD, "3 starts and 2 ends")
    assert hooks().level is Level.NOTE


def test_a_run_of_which_no_end_hook_spoke_is_bad() -> None:
    found = hooks(
        'jobmend_job_exit_info{scheduler="slurm",jobid="7",reason="no end hook spoke"} 1',
        'jobmend_job_exit_info{scheduler="slurm",jobid="8",kind="success"} 1',
    )
    assert found.level is Level.BAD
    assert found.text.startswith("1 runs ended lately") and "slurm job 7" in found.text


def test_the_reason_is_the_one_the_agent_gives() -> None:
    assert f'"{agent.NO_END_HOOK}"' in (ROOT / "agent" / "telling.py").read_text()


@pytest.mark.parametrize("result", agent._REFUSED)
def test_refused_datagrams_are_told_by_their_word_and_cure(result: str) -> None:
    found = hooks(f'{EVENTS}{{hook="unknown",result="{result}"}} 2')
    assert (found.level, found.text) == (Level.NOTE, f"datagrams not taken in: 2 {result}")
    assert found.cure


def test_every_reason_of_the_attribution_table_is_told() -> None:
    page = (ROOT / "docs" / "htcondor.md").read_text()
    (reason, *_) = re.findall(r"^\| `(no_job_cgroup)` \|", page, re.M)
    found = agent.check_attribution(
        parse(f'jobmend_agent_attribution_errors_total{{reason="{reason}"}} 1')
    )
    assert (found.level, reason in found.text) == (Level.NOTE, True)
    clean = parse('jobmend_agent_attribution_errors_total{reason="duplicate"} 0')
    assert agent.check_attribution(clean).level is Level.GOOD


def test_samples_that_fail_are_bad_and_many_that_are_missed_a_note() -> None:
    taken = "jobmend_agent_sample_duration_seconds_count 100\n"
    assert agent.check_sampling(parse(taken)).level is Level.GOOD
    missed = parse(f"{taken}jobmend_agent_samples_dropped_total 2")
    assert agent.check_sampling(missed).level is Level.NOTE
    failed = parse(f'{taken}jobmend_agent_collector_success{{collector="jobs"}} 0')
    assert "jobs" in agent.check_sampling(failed).text
    assert agent.check_sampling(parse("jobmend_agent_sample_errors_total 1")).level is Level.BAD


def test_what_job_cgroups_do_not_offer_is_a_note_with_its_cure() -> None:
    line = "jobmend_feature_supported"
    found = agent.check_features(parse(f'{line}{{feature="psi"}} 0\n{line}{{feature="io"}} 1'))
    assert (found.level, found.text) == (Level.NOTE, "not measured here: psi")
    assert "psi=1" in found.cure
    assert agent.check_features(parse(f'{line}{{feature="io"}} 1')).level is Level.GOOD
    assert agent.check_features(parse("")).level is Level.NOTE


def test_messages_that_are_lost_or_cannot_be_kept_are_bad() -> None:
    lost = agent.check_kept(parse('jobmend_agent_spool_dropped_total{kind="event"} 4'))
    assert (lost.level, lost.text[:19]) == (Level.BAD, "4 messages are lost")
    assert agent.check_kept(parse("jobmend_agent_spool_errors_total 1")).level is Level.BAD
    kept = agent.check_kept(parse('jobmend_agent_spool_messages{kind="event"} 9'))
    assert (kept.level, kept.text) == (Level.GOOD, "9 wait for the brain, none lost")
