"""What the agent's own page says of hooks, attribution, sampling and its spool."""

from __future__ import annotations

from . import asking, scorer
from .findings import Check, Finding
from .page import Page, parse

AGENT = Check("agent", "docs/exporter.md")
HOOKS = Check("hooks heard", "docs/slurm.md; docs/htcondor.md, What a hook tells")
ATTRIBUTION = Check("attribution", "docs/htcondor.md, Attribution errors")
SAMPLING = Check("sampling", "docs/metrics.md, The agent")
FEATURES = Check("job features", "docs/metrics.md, The agent")
KEPT = Check("spooled messages", "agent.toml, [spool]")

NO_END_HOOK = "no end hook spoke"  # agent/telling.py, the reason of an end it made itself
_REFUSED = ("untrusted", "corrupt", "bounded", "overrun", "failed")
_HOOK_CURES = {
    "untrusted": "[hooks] trusted_uids lists whom the agent believes; its log says who sent them",
    "corrupt": "the agent's log says who sent them",
    "bounded": "the node has more open runs than the agent keeps: are END hooks lost?",
    "overrun": "the disk of the spool is too slow, or somebody floods the socket",
    "failed": "the agent's log has the error: report it",
}
_FEATURE_CURES = {
    "psi": "pressure needs cgroup version 2 and a kernel with psi=1",
    "io": "the scheduler's cgroups have no io controller",
    "peak": "memory.peak needs version 2 and Linux 5.19",
    "cpuset": "let the scheduler confine jobs to cores: threads are shared else",
}


def check_agent(url: str, wanted: bool, web_config: str = "") -> tuple[Finding, Page | None]:
    """Does an agent serve its metrics at ``url``? With the page, where it does."""
    cure = "start jobmend-agent, or name its address with --agent"
    try:
        answer = asking.get(url)
    except asking.Unreachable as error:
        if web_config:
            return AGENT.note(f"{error}; {web_config} may ask for TLS", "open it by hand"), None
        tell = AGENT.bad if wanted else AGENT.note
        return tell(str(error), cure), None
    page = parse(answer.text)
    if answer.status in (401, 403) or (web_config and answer.status != 200):
        return AGENT.note(f"{url}: asks for a password or TLS; its page is not read"), None
    if answer.status != 200 or not any(name.startswith("jobmend_") for name in page.names):
        return AGENT.bad(f"{url}: no page of an agent (status {answer.status})", cure), None
    return AGENT.good(f"{url}: {len(answer.text.splitlines())} lines"), page


def version_of(page: Page) -> str:
    """The agent's version; empty where it does not say."""
    told = [one.labels.get("version", "") for one in page.of("jobmend_build_info")]
    return told[0] if told else ""


def examine(page: Page) -> list[Finding]:
    """All that the page tells."""
    return [
        check_hooks(page),
        check_attribution(page),
        check_sampling(page),
        check_features(page),
        check_kept(page),
        *scorer.examine(page),
    ]


def check_hooks(page: Page) -> Finding:
    """Do hooks speak, and are they believed?"""
    name = "jobmend_agent_hook_events_total"
    silent = [
        one.labels
        for one in page.of("jobmend_job_exit_info")
        if one.labels.get("reason") == NO_END_HOOK
    ]
    if silent:
        one = f"{silent[0].get('scheduler')} job {silent[0].get('jobid')}"
        text = f"{len(silent)} runs ended lately and no end hook spoke of them, such as {one}"
        return HOOKS.bad(text, "look at the checks of the scheduler's hooks below")
    refused = {word: int(page.total(name, result=word)) for word in _REFUSED}
    refused = {word: count for word, count in refused.items() if count}
    if refused:
        told = ", ".join(f"{count} {word}" for word, count in refused.items())
        return HOOKS.note(f"datagrams not taken in: {told}", _HOOK_CURES[next(iter(refused))])
    starts, ends = (
        int(page.total(name, hook=kind, result="accepted")) for kind in ("start", "end")
    )
    if not starts + ends:
        return HOOKS.note("none has spoken since the agent started", "run a job here, ask again")
    return HOOKS.good(f"{starts} starts and {ends} ends since the agent started")


def check_attribution(page: Page) -> Finding:
    """Did the agent find out which run each cgroup was?"""
    errors = {
        one.labels.get("reason", "?"): int(one.value)
        for one in page.of("jobmend_agent_attribution_errors_total")
        if one.value
    }
    if not errors:
        return ATTRIBUTION.good("no job's cgroup went unnamed")
    told = ", ".join(f"{count} {reason}" for reason, count in sorted(errors.items()))
    return ATTRIBUTION.note(f"runs with an error: {told}", "the manual's table has each cure")


def check_sampling(page: Page) -> Finding:
    """Does the agent keep up with its beat?"""
    errors = page.total("jobmend_agent_sample_errors_total")
    dropped = page.total("jobmend_agent_samples_dropped_total")
    taken = page.total("jobmend_agent_sample_duration_seconds_count")
    failed = [
        one.labels.get("collector", "?")
        for one in page.of("jobmend_agent_collector_success")
        if not one.value
    ]
    if errors or failed:
        text = (
            f"{errors:g} samples failed; parts of the page missing: {', '.join(failed) or 'none'}"
        )
        return SAMPLING.bad(text, "the agent's log has the error: report it")
    if dropped > max(taken, 1) / 100:
        text = f"{dropped:g} of {taken + dropped:g} samples were not taken: the node is too slow"
        return SAMPLING.note(text, "raise [sample] period_seconds")
    return SAMPLING.good(f"{taken:g} samples, {dropped:g} missed")


def check_features(page: Page) -> Finding:
    """What do the cgroups of the jobs that run now offer?"""
    told = {
        one.labels.get("feature", "?"): one.value for one in page.of("jobmend_feature_supported")
    }
    if not told:
        return FEATURES.note("no job runs here now", "ask again while one runs")
    missing = sorted(feature for feature, there in told.items() if not there)
    if missing:
        cures = [_FEATURE_CURES[one] for one in missing if one in _FEATURE_CURES]
        return FEATURES.note(f"not measured here: {', '.join(missing)}", "; ".join(cures))
    return FEATURES.good(f"measured: {', '.join(sorted(told))}")


def check_kept(page: Page) -> Finding:
    """Is what the agent has to tell safe on disk?"""
    errors = page.total("jobmend_agent_spool_errors_total")
    dropped = page.total("jobmend_agent_spool_dropped_total")
    waiting = page.total("jobmend_agent_spool_messages")
    if errors:
        text = f"the spool could not be written {errors:g} times since the agent started"
        return KEPT.bad(text, "make room on its disk; the agent's log has the error")
    if dropped:
        text = f"{dropped:g} messages are lost because the spool was full"
        return KEPT.bad(text, "see the check uplink; or raise [spool] max_rows")
    return KEPT.good(f"{waiting:g} wait for the brain, none lost")
