"""What an agent's page tells the doctor of its scorer."""

from __future__ import annotations

import pytest

from jobmend.plugins.doctor import agent, scorer
from jobmend.plugins.doctor.findings import Level
from jobmend.plugins.doctor.page import parse

UP = "jobmend_agent_scorer_up 1\n"
MODEL = 'jobmend_agent_scorer_model_info{version="0123"} 1\n'


def windows(**counts: int) -> str:
    name = "jobmend_agent_scorer_windows_total"
    return "".join(f'{name}{{result="{word}"}} {count}\n' for word, count in counts.items())


def refused(what: str) -> str:
    return f'jobmend_agent_scorer_{what}_total{{result="refused"}} 1\n'


@pytest.mark.parametrize(
    ("page", "level", "words"),
    [
        (MODEL + windows(scored=300, failed=3), Level.GOOD, "model 0123: 300 windows scored"),
        ("", Level.NOTE, "no model yet"),
        (MODEL + refused("fetches"), Level.BAD, "refused; the one before stays"),
        (MODEL + refused("models"), Level.BAD, "could not be used"),
        (MODEL + windows(scored=9, failed=9), Level.BAD, "9 windows had no answer in time"),
        (MODEL + windows(scored=9, dropped=99), Level.BAD, "99 were dropped"),
        (MODEL + windows(refused=4), Level.BAD, "4 windows have another shape"),
    ],
)
def test_the_scorer_is_told_of_with_the_cure(page: str, level: Level, words: str) -> None:
    (found,) = scorer.examine(parse(UP + page))
    assert found.level is level and words in found.text
    assert bool(found.cure) == (level is not Level.GOOD)


def test_where_it_is_switched_off_nothing_is_said() -> None:
    names = [finding.check for finding in agent.examine(parse(""))]
    assert "scorer" not in names
    assert "scorer" in [finding.check for finding in agent.examine(parse(UP))]
