from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobmend.agent.discovery import RELOOK_SECONDS, Discovery
from jobmend.agent.notices import NOTHING, Notice, Notices
from jobmend.plugins.layout import JobPath
from jobmend.plugins.slurm.cgroups import LAYOUT as SLURM


@pytest.fixture
def scope(tmp_path: Path) -> Path:
    (tmp_path / "cgroup.controllers").touch()
    made = tmp_path / "system.slice" / "slurmstepd.scope"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def notices() -> Iterator[Notices]:
    made = Notices()
    yield made
    made.close()


def settled(scope: Path, notices: Notices) -> Discovery:
    """A discovery that has looked twice: what came while watches were set is known too."""
    discovery = Discovery(str(scope.parents[1]), [SLURM], notices)
    assert discovery.is_due(0.0)
    assert discovery.look(0.0, set()) == {}
    assert discovery.is_due(1.0)  # new directories are watched: something may have come before
    assert discovery.look(1.0, set()) == {}
    assert not discovery.is_due(2.0)
    return discovery


def test_what_the_kernel_tells_is_looked_for_at_once(scope: Path, notices: Notices) -> None:
    discovery = settled(scope, notices)
    (scope / "job_7").mkdir()
    notice = notices.wait(5.0)
    discovery.hear(notice)
    assert (discovery.is_due(2.0), discovery.due_in(2.0)) == (True, 0.0)
    assert list(discovery.look(2.0, set())) == [JobPath("slurm", "7")]
    assert (discovery.is_due(3.0), discovery.due_in(3.0)) == (False, None)


def test_silence_is_broken_now_and_then(scope: Path, notices: Notices) -> None:
    discovery = settled(scope, notices)
    assert not discovery.is_due(0.9 + RELOOK_SECONDS)
    assert discovery.is_due(1.0 + RELOOK_SECONDS)


def test_changes_elsewhere_are_no_news(scope: Path, notices: Notices) -> None:
    discovery = settled(scope, notices)
    discovery.hear(Notice(frozenset({str(scope / "job_7")}), frozenset()))
    discovery.hear(NOTHING)
    assert not discovery.is_due(2.0)
    discovery.hear(Notice(frozenset({""}), frozenset()))  # the kernel dropped notices
    assert discovery.is_due(2.0)


def test_news_after_news_wait_so_that_looking_takes_little_of_the_time(
    scope: Path, notices: Notices
) -> None:
    discovery = settled(scope, notices)
    for second in (2.0, 2.000001):
        discovery.hear(Notice(frozenset({str(scope)}), frozenset()))
        if second == 2.0:
            discovery.look(2.0, set())
    wait = discovery.due_in(2.000001)
    assert wait is not None and wait > 0 and not discovery.is_due(2.000001)
    assert discovery.is_due(2.0 + 60 * wait)
    discovery.doubt()  # a file said that its cgroup is gone: that cannot wait
    assert discovery.is_due(2.000001)


def test_without_notices_every_sample_looks(scope: Path, notices: Notices) -> None:
    discovery = settled(scope, notices)
    notices._do_without_inotify(OSError(28, "No space left on device"))
    assert discovery.is_due(2.0) and discovery.due_in(2.0) is None
