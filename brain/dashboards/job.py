"""One job on all its nodes: what it uses, what it waits for, how odd it is, how it ended."""

from __future__ import annotations

from .chart import Chart, Dashboard, Query, Row, Threshold, Unit
from .variables import CLUSTER, JOB, ODD, OF_CLUSTER, OF_JOB, WORKFLOW

_ON = "{{instance}}"


def _rate(name: str) -> str:
    return f"sum by (instance) (rate({name}{{{OF_JOB}}}[$rate]))"


def _value(name: str) -> str:
    return f"sum by (instance) ({name}{{{OF_JOB}}})"


def _io(title: str, unit: Unit, what: str) -> Chart:
    asked = tuple(
        Query(_rate(f"jobmend_job_io_{way}_{what}_total"), f"{_ON}: {way}")
        for way in ("read", "write")
    )
    return Chart(
        title, "timeseries", unit, asked, "Block devices; network file systems are not in it."
    )


_IDENTITY = Row(
    "Who it is",
    (
        Chart(
            "Where it runs",
            "table",
            "",
            (Query(f"jobmend_job_info{{{OF_JOB}}}"),),
            "Its nodes, and what its scheduler told there.",
            columns=("cluster", "instance", "scheduler", "run", "user", "account", "site"),
        ),
        Chart(
            "Its workflow",
            "table",
            "",
            (Query(f"jobmend_brain_run_info{{{OF_JOB}}}"),),
            "What the brain knows of it; it knows the newest runs, active or ended lately.",
            columns=("scheduler", "run", "workflow", "site", "verdict"),
        ),
        Chart(
            "Runs for",
            "stat",
            "seconds",
            (Query(f"max(time() - jobmend_job_start_time_seconds{{{OF_JOB}}})", "runs for"),),
            "Since its start hook told of it.",
            width=3,
        ),
        Chart(
            "Measured before",
            "stat",
            "seconds",
            (
                Query(
                    f"min(time() - jobmend_job_last_seen_timestamp_seconds{{{OF_JOB}}})",
                    "measured before",
                ),
            ),
            "Time since the newest sample of it; it grows when the job has ended.",
            width=3,
        ),
        Chart(
            "Runs of its workflow",
            "bars",
            "",
            (
                Query(
                    "count by (verdict) (jobmend_brain_run_info"
                    f'{{{OF_CLUSTER}, workflow=~"$workflow"}})',
                    "{{verdict}}",
                ),
            ),
            "The newest runs of the workflows that are chosen above.",
        ),
    ),
)

_CPU = Row(
    "CPU",
    (
        Chart(
            "Cores",
            "timeseries",
            "cores",
            (
                Query(_rate("jobmend_job_cpu_user_seconds_total"), _ON + ": user"),
                Query(_rate("jobmend_job_cpu_system_seconds_total"), _ON + ": system"),
                Query(_rate("jobmend_job_cpu_throttled_seconds_total"), _ON + ": held back"),
                Query(_value("jobmend_job_cpus"), _ON + ": has", dashed=True),
            ),
            "CPU time it uses, the time a limit held it back, and the threads of its cpuset.",
        ),
        Chart(
            "Processes and threads",
            "timeseries",
            "",
            (
                Query(_value("jobmend_job_processes"), _ON + ": processes"),
                Query(_value("jobmend_job_threads"), _ON + ": threads"),
            ),
            "Processes by the last census, tasks as the kernel counts them.",
        ),
    ),
)

_MEMORY = Row(
    "Memory",
    (
        Chart(
            "Memory",
            "timeseries",
            "bytes",
            (
                Query(_value("jobmend_job_memory_current_bytes"), _ON + ": charged"),
                Query(_value("jobmend_job_memory_working_set_bytes"), _ON + ": working set"),
                Query(_value("jobmend_job_memory_peak_bytes"), _ON + ": peak"),
                Query(_value("jobmend_job_memory_limit_bytes"), _ON + ": limit", dashed=True),
            ),
            "Memory charged, that less page cache not used lately, the highest so far, the limit.",
        ),
        Chart(
            "What it is",
            "timeseries",
            "bytes",
            tuple(
                Query(_value(f"jobmend_job_memory_{part}_bytes"), f"{_ON}: {word}")
                for part, word in (
                    ("anon", "heap and stack"),
                    ("file", "page cache"),
                    ("inactive_file", "page cache not used lately"),
                    ("shmem", "shared"),
                    ("swap", "swapped out"),
                )
            ),
            "The parts of it in the kernel's words; shared memory is in the page cache as well.",
        ),
        Chart(
            "Out of memory",
            "timeseries",
            "",
            tuple(
                Query(_value(f"jobmend_job_memory_{part}_total"), f"{_ON}: {word}")
                for part, word in (
                    ("limit_hits", "ran into its limit"),
                    ("oom_events", "out of memory"),
                    ("oom_kills", "processes killed"),
                )
            ),
            "How often, since the job began.",
        ),
    ),
)

_PRESSURE = Row(
    "Pressure and I/O",
    (
        *(
            Chart(
                title,
                "timeseries",
                "share",
                tuple(
                    Query(
                        _rate(f"jobmend_job_pressure_{part}_{word}_seconds_total"), f"{_ON}: {to}"
                    )
                    for part, to in (("cpu", "a CPU"), ("memory", "memory"), ("io", "I/O"))
                ),
                meaning,
                thresholds=(Threshold(0.3, "bad"),),
            )
            for title, word, meaning in (
                ("Waiting for", "waiting", "Share of the time in which some task of it waited."),
                ("Stalled for", "stalled", "Share of the time in which all its tasks waited."),
            )
        ),
        _io("Block I/O", "bytes/s", "bytes"),
        _io("Block I/O operations", "1/s", "operations"),
    ),
)

_ANOMALY = Row(
    "Anomaly and end",
    (
        Chart(
            "How odd it is",
            "timeseries",
            "share",
            (
                Query(f"min by (instance) (jobmend_job_anomaly_p_value{{{OF_JOB}}})", _ON),
                Query(f"vector({ODD})", "odd from here down", dashed=True),
            ),
            "Share of healthy runs at least as odd as its newest window: the lower, the odder.",
            maximum=1.0,
        ),
        Chart(
            "Score",
            "timeseries",
            "",
            (Query(f"max by (instance) (jobmend_job_anomaly_score{{{OF_JOB}}})", _ON),),
            "The model's own number; it compares under one version of the model alone.",
        ),
        Chart(
            "How it ended",
            "table",
            "",
            (Query(f"jobmend_job_exit_info{{{OF_JOB}}}"),),
            "Told by the scheduler's hook; it stays for some minutes after the end.",
            columns=("instance", "run", "kind", "code", "signal", "reason"),
            width=12,
        ),
    ),
)

JOB_DETAIL = Dashboard(
    "job",
    "jobmend: job",
    "One job on all its nodes: CPU, memory, pressure, I/O, anomaly, and how it ended.",
    (CLUSTER, WORKFLOW, JOB),
    (_IDENTITY, _CPU, _MEMORY, _PRESSURE, _ANOMALY),
)
