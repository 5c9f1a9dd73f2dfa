"""Is jobmend in order here? The checks of the brain and of an operator, beside those of a node."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from ...jobs.records import RunRecord
from ...jobs.version import VERSION
from ...plugins.doctor import asking, node, schedulers, seen, uplink
from ...plugins.doctor.agent import NO_END_HOOK
from ...plugins.doctor.findings import Check, Finding
from ...plugins.doctor.seen import LATE_SECONDS, Seen
from .. import tokens
from ..api.answers import Status
from .client import BadAnswer, Client, Unreachable

BRAIN = Check("brain", "docs/cli.md, Where the brain is")
POLLS = Check("brain's schedulers", "brain.toml, [schedulers]")
MODELS = Check("brain's models", "docs/advice.md, The models")
TOKEN = Check("token", "docs/cli.md, Where the brain is")

RECENT_SECONDS = 86400.0
LOCAL = "local"


def examine(client: Client, agent_url: str = "") -> list[Finding]:
    """All checks, in the order in which things depend on each other.

    Where ``agent_url`` is given, an agent must be there.
    """
    settings, told = node.read_settings()
    return [
        *examine_brain(client),
        check_token(client.settings.token_file),
        settings,
        *node.examine(told, agent_url=agent_url),
        *schedulers.examine(told),
    ]


def examine_brain(client: Client) -> list[Finding]:
    """The brain, its schedulers and models, its clock, and what it has seen of recent jobs."""
    answered, status = check_brain(client)
    if status is None:
        return [answered]
    return [
        answered,
        check_polls(status, time.time()),
        check_models(status),
        uplink.check_versions({"this doctor": VERSION, "brain": status.version}),
        check_clock(client.settings.url),
        *check_jobs(client, time.time()),
    ]


def check_brain(client: Client) -> tuple[Finding, Status | None]:
    """Does the brain answer, and does it go its rounds?"""
    url = client.settings.url
    try:
        status = client.status()
    except Unreachable as error:
        cure = "start jobmend-brain, or set JOBMEND_URL to where it listens"
        return BRAIN.bad(str(error), cure), None
    except BadAnswer as error:
        return BRAIN.bad(str(error), "set JOBMEND_URL to where the brain listens"), None
    if not status.watching:
        return BRAIN.bad(f"{url}: its watcher stands still", "restart the brain"), status
    return BRAIN.good(f"{url}: version {status.version}"), status


def check_polls(status: Status, now: float) -> Finding:
    """Do the schedulers answer the brain?"""
    for poll in status.schedulers:
        name = f"{poll.scheduler} of {poll.cluster}"
        if poll.error:
            cure = "run that command as the brain's user; see the checks of that scheduler"
            return POLLS.bad(f"{name}: {poll.error}", cure)
        if poll.polled is None:
            return POLLS.note(f"{name}: not asked yet", "ask again in a minute")
    told = ", ".join(
        f"{poll.scheduler} of {poll.cluster} {now - (poll.polled or now):.0f} s ago"
        for poll in status.schedulers
    )
    return POLLS.good(f"asked {told}")


def check_models(status: Status) -> Finding:
    """Are the models trained that advise beside the rules?"""
    missing = sorted(name for name, there in status.models.items() if not there)
    if missing:
        cure = " and ".join(f"jobmend learn {name}" for name in missing)
        others = ["rules", *sorted(status.models.keys() - set(missing))]
        return MODELS.note(f"no model of {', '.join(missing)}: {' and '.join(others)} advise", cure)
    return MODELS.good(", ".join(sorted(status.models)))


def check_clock(url: str) -> Finding:
    """Does this machine's clock agree with the brain's?"""
    try:
        skew = asking.get(f"{url.rstrip('/')}/api/v1/status").skew_seconds
    except asking.Unreachable:
        skew = None
    return uplink.check_clock(skew, "the brain's")


def check_jobs(client: Client, now: float) -> list[Finding]:
    """Were the newest runs told by a node, measured, and accounted? For each scheduler."""
    try:
        return judge_jobs(client.jobs().jobs, now)
    except (BadAnswer, Unreachable) as error:
        return [seen.JOBS.note(str(error))]


def judge_jobs(records: Iterable[RunRecord], now: float) -> list[Finding]:
    """The same of these runs; those that have not ended, or long ago, are left out."""
    ended = [run for run in records if run.ended and now - run.ended < RECENT_SECONDS]
    ended.sort(key=_cluster)
    found = [
        seen.judge(_seen(runs, now), f"on {scheduler} of {cluster} in the last day")
        for (cluster, scheduler), runs in groupby(ended, _cluster)
    ]
    return found or [seen.judge([], "in the last day")]


def _cluster(record: RunRecord) -> tuple[str, str]:
    return record.run.cluster, record.run.scheduler


def _seen(records: Iterable[RunRecord], now: float) -> Sequence[Seen]:
    """A node's word stands for the hook's, unless the agent said that no hook spoke.

    The local queue works without an agent: there nobody is missed.
    """
    found = []
    for run in records:
        told = bool(run.node) and not (run.exit and run.exit.reason == NO_END_HOOK)
        late = now - (run.ended or now) >= LATE_SECONDS
        optional = run.run.scheduler == LOCAL
        found.append(
            Seen(
                f"job {run.run.job_id}",
                told or (None if optional else False),
                run.trace is not None or (None if optional else False),
                bool(run.facts.workflow) or (False if late else None),
            )
        )
    return found


def check_token(path: Path | None) -> Finding:
    """Can the operator's token be read, by nobody else?"""
    if path is None:
        cure = "set JOBMEND_TOKEN_FILE to a copy of the brain's operator token"
        return TOKEN.note("none is named: apply and reject need one", cure)
    try:
        tokens.read(path)
    except tokens.TokenError as error:
        text, _, cure = str(error).partition("; ")
        return TOKEN.bad(text, cure or f"give this user a copy of it as {path}")
    return TOKEN.good(f"{path}: readable by its owner alone")
