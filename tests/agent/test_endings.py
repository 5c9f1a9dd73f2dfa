from __future__ import annotations

from pathlib import Path

import pytest

from jobmend.agent.cgroups import LAYOUTS, Sighting
from jobmend.agent.endings import MAX_CGROUPS, Endings
from jobmend.agent.files import Descriptors
from jobmend.agent.notices import Notice, Notices
from jobmend.agent.trace import JobTrace
from jobmend.plugins.layout import JobPath

JOB = JobPath("slurm", "7")


class Told(Notices):
    """Notices that a test gives, of cgroups that need not be there."""

    def __init__(self, hears: bool = True) -> None:
        self.hears = hears
        self.watched: list[str] = []

    @property
    def hears_directories(self) -> bool:
        return self.hears

    def watch_processes(self, cgroup: str) -> bool:
        self.watched.append(cgroup)
        return True

    def forget(self, cgroup: str) -> None:
        self.watched.remove(cgroup)


def emptied(*cgroups: Path) -> Notice:
    return Notice(frozenset(), frozenset(map(str, cgroups)))


def changed(*directories: Path) -> Notice:
    return Notice(frozenset(map(str, directories)), frozenset())


@pytest.fixture
def job(tmp_path: Path) -> Path:
    (tmp_path / "job_7" / "step_batch" / "user" / "task_0").mkdir(parents=True)
    return tmp_path / "job_7"


def followed(job: Path, notices: Told) -> tuple[Endings, JobTrace]:
    endings = Endings(notices, LAYOUTS)
    trace = JobTrace(4, Descriptors(), 0.0)
    trace.attach(Sighting("job_7", {"unified": str(job)}))
    endings.follow(JOB, trace)
    return endings, trace


def test_a_job_and_its_users_cgroups_are_watched_to_their_end(job: Path) -> None:
    notices = Told()
    endings, trace = followed(job, notices)
    user = job / "step_batch" / "user"
    assert notices.watched == [str(job), str(user)]
    assert endings.directories == {str(job)}
    assert endings.hear(emptied(user, job)) == [trace]
    assert endings.hear(emptied(job.parent)) == []
    endings.forget(trace)
    assert (notices.watched, endings.directories, endings.hear(emptied(user))) == ([], set(), [])


def test_a_step_whose_cgroups_come_after_its_notice_is_found(job: Path) -> None:
    notices = Told()
    endings, _ = followed(job, notices)
    (job / "step_0").mkdir()
    assert endings.hear(changed(job)) == []
    (job / "step_0" / "user").mkdir()
    endings.look()
    assert notices.watched[-1] == str(job / "step_0" / "user")
    for _ in range(5):
        endings.look()  # nothing more is expected
    (job / "step_1" / "user").mkdir(parents=True)
    endings.look()
    assert str(job / "step_1" / "user") not in notices.watched  # it waits for a notice


def test_without_notices_of_directories_each_look_is_one(job: Path) -> None:
    notices = Told(hears=False)
    endings, _ = followed(job, notices)
    for _ in range(5):
        endings.look()
    (job / "step_0" / "user").mkdir(parents=True)
    endings.look()
    assert notices.watched[-1] == str(job / "step_0" / "user")


def test_a_job_of_very_many_steps_is_watched_in_bounds(job: Path) -> None:
    for number in range(100):
        (job / f"step_{number}" / "user").mkdir(parents=True)
    notices = Told()
    followed(job, notices)
    assert len(notices.watched) == MAX_CGROUPS


def test_a_unified_directory_that_goes_before_the_others_is_no_error(job: Path) -> None:
    notices = Told()
    endings, trace = followed(job, notices)
    trace.attach(Sighting("job_7", {"memory": str(job)}))
    endings.follow(JOB, trace)
    endings.look()
    assert endings.directories == set()
    endings.forget(trace)
    assert notices.watched == []


def test_a_job_of_v1_alone_is_not_watched(job: Path) -> None:
    notices = Told()
    endings = Endings(notices, LAYOUTS)
    trace = JobTrace(4, Descriptors(), 0.0)
    trace.attach(Sighting("job_7", {"memory": str(job)}))
    endings.follow(JOB, trace)
    endings.look()
    assert notices.watched == []
