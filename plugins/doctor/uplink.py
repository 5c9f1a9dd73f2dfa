"""The way from this node to the brain: address, token, clock, versions, the same jobs seen."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from typing import Any

from ...jobs.version import VERSION
from . import agent, asking
from .findings import Check, Finding
from .page import Page
from .seen import LATE_SECONDS, Seen, judge
from .settings import Settings

UPLINK = Check("uplink", "agent.toml, [uplink]")
TOKEN = Check("uplink token", "agent.toml, [uplink] token_file")
CLOCK = Check("clock", "docs/architecture.md, Who is believed")
VERSIONS = Check("versions", "docs/doctor.md")

LATEST_SECONDS = 600.0  # how long a message may wait while all is well
MOST_SKEW_SECONDS = 5.0  # more, and starts and ends of short jobs are told in the wrong order
_MEASURED_NOT = ("jobmend_job_exit_info", "jobmend_job_info", "jobmend_job_start_time_seconds")


def examine(told: Settings, page: Page | None) -> list[Finding]:
    """All checks of the way to the brain; without an address only that there is none."""
    found: list[Finding] = []
    status: dict[str, Any] = {}
    jobs: list[Any] | None = None
    if not told.uplink:
        text = "[uplink] url is empty: nothing is sent to a brain"
        found.append(UPLINK.note(text, "name the brain's address there"))
    else:
        url = told.uplink.rstrip("/")
        try:
            answer = asking.get(f"{url}/api/v1/status")
        except asking.Unreachable as error:
            cure = "start jobmend-brain, or correct [uplink] url"
            found.append(UPLINK.bad(f"no brain answers: {error}", cure))
        else:
            status, jobs = _object(answer), newest_jobs(url)
            found.append(check_uplink(url, answer.status, status, page))
            found.append(check_clock(answer.skew_seconds, "the brain's"))
        found.append(check_token(told.token_file))
    versions = {"this doctor": VERSION, "brain": str(status.get("version") or "")}
    if page is not None:
        versions["agent"] = agent.version_of(page)
        found.append(check_jobs(page, jobs, time.time()))
    return [*found, check_versions(versions)]


def _object(answer: asking.Answer) -> dict[str, Any]:
    """The JSON object in an answer; empty where there is none."""
    try:
        told = json.loads(answer.text) if answer.status == 200 else {}
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def newest_jobs(url: str) -> list[Any] | None:
    """The brain's newest runs; None where it does not tell."""
    try:
        told = _object(asking.get(f"{url}/api/v1/jobs?limit=2000")).get("jobs")
    except asking.Unreachable:
        return None
    return told if isinstance(told, list) else None


def check_uplink(url: str, code: int, status: dict[str, Any], page: Page | None) -> Finding:
    """Does a brain answer, and does it take what the agent sends?"""
    if not status.get("version"):
        cure = "name the brain's address in [uplink] url"
        return UPLINK.bad(f"{url}: answers, but not as a brain (status {code})", cure)
    if page is None:
        return UPLINK.good(f"{url}: a brain answers")
    name = "jobmend_agent_uplink_requests_total"
    taken, failed = page.total(name, result="ok"), page.total(name, result="failed")
    waits = page.total("jobmend_agent_spool_oldest_seconds")
    rejected = page.total("jobmend_agent_uplink_messages_total", result="rejected")
    if failed and not taken:
        cure = "the token must be the brain's, its file `ingest`; the agent's log has the answer"
        return UPLINK.bad(f"{url}: took none of {failed:g} requests", cure)
    if waits > LATEST_SECONDS:
        text = f"{url}: a message has waited for {waits / 60:.0f} minutes"
        return UPLINK.bad(text, "the agent's log says why the brain does not take it")
    if rejected:
        text = f"{url}: the brain rejected {rejected:g} messages"
        return UPLINK.note(text, "are agent and brain of one version?")
    return UPLINK.good(f"{url}: {taken:g} requests taken, {failed:g} failed")


def check_token(path: str) -> Finding:
    """Is there a token for the brain, for the agent's eyes alone?"""
    cure = "copy the brain's file `ingest` there, mode 0600, owned by the agent's user"
    if not path:
        return TOKEN.bad("[uplink] token_file is empty", cure)
    try:
        mode = os.stat(path).st_mode & 0o777
    except PermissionError:
        return TOKEN.note(f"{path}: this user may not look there", "run this as root")
    except OSError as error:
        return TOKEN.bad(f"{path}: {error.strerror}", cure)
    if mode & 0o077:
        return TOKEN.bad(f"{path}: mode {mode:04o} lets others read it", f"chmod 600 {path}")
    return TOKEN.good(f"{path}: readable by its owner alone")


def check_clock(skew: float | None, whose: str) -> Finding:
    """Does this machine's clock agree with another's? ``skew``: that one is so far ahead."""
    if skew is None:
        return CLOCK.note(f"{whose} clock is not told")
    if abs(skew) > MOST_SKEW_SECONDS:
        behind = "ahead of" if skew > 0 else "behind"
        text = f"{whose} clock is {abs(skew):.0f} s {behind} this machine's"
        return CLOCK.bad(text, "keep both in time with chronyd or ntpd")
    return CLOCK.good(f"{whose} clock agrees within {MOST_SKEW_SECONDS:g} s")


def check_versions(told: dict[str, str]) -> Finding:
    """Are all parts of one version? Parts that do not tell theirs are left out."""
    known = {part: version for part, version in told.items() if version}
    text = ", ".join(f"{part} {version}" for part, version in known.items())
    if len(set(known.values())) > 1:
        return VERSIONS.note(text, "upgrade the brain first, then the agents")
    return VERSIONS.good(text)


def check_jobs(page: Page, jobs: Iterable[Any] | None, now: float) -> Finding:
    """Were the runs that ended here lately seen by hook, cgroup and accounting?"""
    ended = {_key(one.labels): one.labels for one in page.of("jobmend_job_exit_info")}
    measured = {
        _key(one.labels)
        for name in page.names
        if name.startswith("jobmend_job_") and name not in _MEASURED_NOT
        for one in page.of(name)
    }
    records = {_key_of(job): job for job in jobs or () if isinstance(job, dict)}
    seen = []
    for key, about in ended.items():
        record = records.get(key, {})
        seen.append(
            Seen(
                f"{key[0]} job {key[1]}",
                about.get("reason") != agent.NO_END_HOOK,
                # Its series leave the page before its end does: then the brain knows better.
                True if key in measured else bool(record.get("trace")) if record else None,
                _accounted(record, now),
            )
        )
    return judge(seen, "here in the last minutes")


def _key(about: Any) -> tuple[str, str, str]:
    return about.get("scheduler", ""), about.get("jobid", ""), about.get("run", "")


def _key_of(job: dict[str, Any]) -> tuple[str, str, str]:
    run = job.get("run")
    run = run if isinstance(run, dict) else {}
    return run.get("scheduler", ""), run.get("job_id", ""), run.get("run", "")


def _accounted(record: dict[str, Any], now: float) -> bool | None:
    """Nodes do not know the workflow, the scheduler's history does. None: it may yet tell."""
    if not record or not isinstance(record.get("facts"), dict):
        return None
    if record["facts"].get("workflow"):
        return True
    ended = record.get("ended")
    late = isinstance(ended, (int, float)) and now - ended >= LATE_SECONDS
    return False if late else None
