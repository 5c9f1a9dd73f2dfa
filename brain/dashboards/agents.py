"""Agents and brain themselves: do they run, do they keep up, does what they tell arrive."""

from __future__ import annotations

from .chart import Dashboard, Row, Threshold
from .of_agents import BAD, UP_IS_GOOD, asked, rate, value
from .scorers import SCORERS
from .variables import CLUSTER, NODES, OF_NODES

_UP = Row(
    "Agents",
    (
        asked(
            "Agents that answer",
            "yes/no",
            "Could Prometheus read the page of the agent.",
            ('max by (instance) (up{job="jobmend-agent", ' + OF_NODES + "})", "{{instance}}"),
            kind="state-timeline",
            thresholds=UP_IS_GOOD,
            width=6,
        ),
        asked(
            "Versions",
            "",
            "Agents by version.",
            (value("jobmend_build_info", "version"), "{{version}}"),
            kind="bars",
            width=3,
        ),
        asked(
            "Runs for",
            "seconds",
            "Shortest time since an agent was started.",
            (
                "time() - max by (instance) (process_start_time_seconds"
                f'{{job="jobmend-agent", {OF_NODES}}})',
                "{{instance}}",
            ),
            kind="stat",
            width=3,
        ),
    ),
)

_SAMPLING = Row(
    "Sampling",
    (
        asked(
            "Time of a sample",
            "seconds",
            "Mean time that one sample of all jobs takes, and how late samples begin.",
            (
                f"{rate('jobmend_agent_sample_duration_seconds_sum')}"
                f" / {rate('jobmend_agent_sample_duration_seconds_count')}",
                "{{instance}}",
            ),
            (
                f"{rate('jobmend_agent_sample_jitter_seconds_sum')}"
                f" / {rate('jobmend_agent_sample_jitter_seconds_count')}",
                "{{instance}}: late by",
            ),
        ),
        asked(
            "Samples lost",
            "1/s",
            "Samples not taken because one took too long, and those that failed as a whole.",
            (rate("jobmend_agent_samples_dropped_total"), "{{instance}}: dropped"),
            (rate("jobmend_agent_sample_errors_total"), "{{instance}}: failed"),
            thresholds=BAD,
        ),
        asked(
            "What an agent uses",
            "cores",
            "CPU time of the agents; what the scorer uses is not in it.",
            (rate("process_cpu_seconds_total", "instance, job"), "{{instance}} {{job}}"),
        ),
        asked(
            "Memory",
            "bytes",
            "Resident memory of the agents and of their scorers.",
            (value("process_resident_memory_bytes"), "{{instance}}"),
            (value("jobmend_agent_scorer_resident_bytes"), "{{instance}}: scorer"),
        ),
        asked(
            "Files kept open",
            "",
            "Kernel files kept open for sampling, and how many files the agent may have open.",
            (value("jobmend_agent_kept_files"), "{{instance}}"),
            (value("process_max_fds"), "{{instance}}: may have"),
        ),
        asked(
            "Files opened anew",
            "1/s",
            "Files read by open and close for want of descriptors: that costs CPU.",
            (rate("jobmend_agent_unkept_files_total"), "{{instance}}"),
            thresholds=BAD,
        ),
    ),
)

_PAGE = Row(
    "What is known of jobs",
    (
        asked(
            "Parts of the page that fail",
            "",
            "Agents whose part of the page is not whole; the log of the agent says why.",
            (
                f"sum by (collector) (1 - jobmend_agent_collector_success{{{OF_NODES}}})",
                "{{collector}}",
            ),
            thresholds=BAD,
        ),
        asked(
            "Time of a page",
            "seconds",
            "Time each part of a page takes, of the slowest agent.",
            (
                f"max by (collector) (jobmend_agent_collector_duration_seconds{{{OF_NODES}}})",
                "{{collector}}",
            ),
        ),
        asked(
            "Could not be told",
            "1/s",
            "Jobs without an id or with several; docs/metrics.md says what each reason means.",
            (rate("jobmend_agent_attribution_errors_total", "reason"), "{{reason}}"),
            thresholds=BAD,
        ),
        asked(
            "Hooks",
            "1/s",
            "Datagrams from the schedulers' hooks by what became of them.",
            (rate("jobmend_agent_hook_events_total", "hook, result"), "{{hook}}: {{result}}"),
            width=12,
        ),
    ),
)

_UPLINK = Row(
    "To the brain",
    (
        asked(
            "Waiting to be sent",
            "",
            "Messages in the spool on the node's disk; they are sent when the brain is back.",
            (value("jobmend_agent_spool_messages", "instance, kind"), "{{instance}}: {{kind}}"),
        ),
        asked(
            "Age of the oldest",
            "seconds",
            "How long the oldest message has been waiting to be sent.",
            (value("jobmend_agent_spool_oldest_seconds"), "{{instance}}"),
            thresholds=(Threshold(600, "notice"), Threshold(3600, "bad")),
        ),
        asked(
            "Lost and failed",
            "1/s",
            "Messages lost because the spool is full, and writes to it that are tried again.",
            (
                rate("jobmend_agent_spool_dropped_total", "instance, kind"),
                "{{instance}}: {{kind}}",
            ),
            (rate("jobmend_agent_spool_errors_total"), "{{instance}}: writes"),
            thresholds=BAD,
        ),
        asked(
            "Requests",
            "1/s",
            "Requests to the brain by result.",
            (rate("jobmend_agent_uplink_requests_total", "result"), "{{result}}"),
        ),
        asked(
            "Messages",
            "1/s",
            "Messages that the brain answered, as the agents count them.",
            (rate("jobmend_agent_uplink_messages_total", "result"), "{{result}}"),
        ),
        asked(
            "Messages the brain got",
            "1/s",
            "The same as the brain counts them, from all clusters.",
            ("sum by (result) (rate(jobmend_brain_messages_total[$rate]))", "{{result}}"),
        ),
    ),
)

_BRAIN = Row(
    "The brain",
    (
        asked(
            "Brain answers",
            "yes/no",
            "Could Prometheus read the page of the brain.",
            ('max by (instance) (up{job="jobmend-brain"})', "{{instance}}"),
            kind="state-timeline",
            thresholds=UP_IS_GOOD,
        ),
        asked(
            "Polls of schedulers that failed",
            "1/s",
            "Questions to accounting, and to the states of the nodes.",
            (
                "sum by (cluster, scheduler) (rate(jobmend_brain_poll_errors_total[$rate]))",
                "{{cluster}} {{scheduler}}: history",
            ),
            (
                "sum by (cluster, scheduler) (rate(jobmend_brain_node_poll_errors_total[$rate]))",
                "{{cluster}} {{scheduler}}: nodes",
            ),
            thresholds=BAD,
        ),
        asked(
            "Rounds that failed",
            "1/s",
            "Failures while judging sites and workflows, expiring or verifying, by stage.",
            ("sum by (stage) (rate(jobmend_brain_round_errors_total[$rate]))", "{{stage}}"),
            thresholds=BAD,
        ),
        asked(
            "Size of the store",
            "bytes",
            "The file of the store with its log, and what of it is free for what comes.",
            ("jobmend_brain_store_bytes", "{{instance}}"),
            ("jobmend_brain_store_free_bytes", "{{instance}}: free"),
        ),
        asked(
            "Forgotten by age",
            "1/s",
            "What left the store because it ended long ago; `[store]` of brain.toml says when.",
            ("sum by (what) (rate(jobmend_brain_store_forgotten_total[$rate]))", "{{what}}"),
        ),
        asked(
            "Windows the model cannot read",
            "1/s",
            "Windows of trace of another length or other features than the model in use learned.",
            ("rate(jobmend_brain_refused_windows_total[$rate])", "{{instance}}"),
            thresholds=BAD,
        ),
    ),
    collapsed=True,
)

AGENTS = Dashboard(
    "agents",
    "jobmend: agents",
    "Agents and brain themselves: do they run, keep up, and does what they tell arrive.",
    (CLUSTER, NODES),
    (_UP, _SAMPLING, _PAGE, _UPLINK, SCORERS, _BRAIN),
)
