"""One node: which job has which hardware thread, what they do, what they wait for."""

from __future__ import annotations

from .chart import Chart, Dashboard, Query, Row, Threshold
from .variables import CLUSTER, NODE, ODD, OF_NODE

_THREADS = Row(
    "Hardware threads",
    (
        Chart(
            "Threads by job",
            "state-timeline",
            "",
            (
                Query(
                    "topk by (cpu) (1, sum by (cpu, jobid)"
                    f" (jobmend_thread_job_info{{{OF_NODE}}}))",
                    "{{cpu}}",
                ),
            ),
            "The job that a hardware thread belongs to, or that had most of it. No lane: no job "
            "may run there, or where jobs run is not known.",
            state="jobid",
        ),
        Chart(
            "Threads at work",
            "heatmap",
            "share",
            (
                Query(
                    "sum by (cpu) (rate(jobmend_thread_cpu_seconds_total"
                    f'{{{OF_NODE}, mode!~"idle|iowait"}}[$rate]))',
                    "{{cpu}}",
                ),
            ),
            "Share of its time that each hardware thread did something, whoever had it do so.",
            maximum=1.0,
        ),
        Chart(
            "What the threads do",
            "timeseries",
            "cores",
            (
                Query(
                    "sum by (mode) (rate(jobmend_thread_cpu_seconds_total"
                    f'{{{OF_NODE}, mode!="idle"}}[$rate]))',
                    "{{mode}}",
                ),
            ),
            "Time of all threads by the kernel's modes, idle left out.",
            stacked=True,
        ),
        Chart(
            "Cores by job",
            "timeseries",
            "cores",
            (
                Query(
                    f"sum by (jobid) (rate(jobmend_job_cpu_user_seconds_total{{{OF_NODE}}}[$rate])"
                    f" + rate(jobmend_job_cpu_system_seconds_total{{{OF_NODE}}}[$rate]))",
                    "{{jobid}}",
                ),
            ),
            "CPU time each job uses, user and system, from its cgroup.",
            stacked=True,
        ),
    ),
)

_PRESSURE = Row(
    "Pressure",
    tuple(
        Chart(
            f"Waiting for {what}",
            "timeseries",
            "share",
            (
                Query(
                    f"sum by (jobid) (rate(jobmend_job_pressure_{resource}_waiting_seconds_total"
                    f"{{{OF_NODE}}}[$rate]))",
                    "{{jobid}}",
                ),
            ),
            f"Share of the time in which some task of the job waited for {what} (PSI, some).",
            thresholds=(Threshold(0.3, "bad"),),
            width=4,
        )
        for resource, what in (("cpu", "a CPU"), ("memory", "memory"), ("io", "I/O"))
    ),
)

_MEMORY = Row(
    "Memory and I/O",
    (
        Chart(
            "Memory by job",
            "timeseries",
            "bytes",
            (
                Query(
                    f"sum by (jobid) (jobmend_job_memory_working_set_bytes{{{OF_NODE}}})",
                    "{{jobid}}",
                ),
            ),
            "Working set: memory charged less page cache that was not used lately.",
            stacked=True,
        ),
        Chart(
            "Block I/O by job",
            "timeseries",
            "bytes/s",
            tuple(
                Query(
                    f"sum by (jobid) (rate(jobmend_job_io_{way}_bytes_total{{{OF_NODE}}}[$rate]))",
                    "{{jobid}}: " + way,
                )
                for way in ("read", "write")
            ),
            "Bytes read from and written to block devices; network file systems are not in it.",
        ),
    ),
)

_ANOMALY = Row(
    "Anomaly",
    (
        Chart(
            "How odd its jobs are",
            "timeseries",
            "share",
            (Query(f"min by (jobid) (jobmend_job_anomaly_p_value{{{OF_NODE}}})", "{{jobid}}"),),
            "Share of healthy runs at least as odd as the job's newest window: the lower, the "
            f"odder. At {ODD:.0%} and below a job is called odd.",
            maximum=1.0,
        ),
        Chart(
            "Jobs of the node",
            "table",
            "",
            (Query(f"jobmend_job_info{{{OF_NODE}}}"),),
            "The jobs that are here now, and what their scheduler told about them.",
            columns=("scheduler", "jobid", "run", "user", "account", "site"),
        ),
        Chart(
            "Runs that ended here",
            "table",
            "",
            (Query(f"jobmend_job_exit_info{{{OF_NODE}}}"),),
            "How the runs of the last minutes ended, as the scheduler's hook told it.",
            columns=("scheduler", "jobid", "run", "kind", "code", "signal", "reason"),
        ),
        Chart(
            "What the kernel offers",
            "stat",
            "yes/no",
            (Query(f"max by (feature) (jobmend_feature_supported{{{OF_NODE}}})", "{{feature}}"),),
            "Features of the job cgroups of this node; what is not offered has no series.",
        ),
    ),
)

NODE_DETAIL = Dashboard(
    "node",
    "jobmend: node",
    "One node: which job has which hardware thread, what the jobs use and wait for, who is odd.",
    (CLUSTER, NODE),
    (_THREADS, _PRESSURE, _MEMORY, _ANOMALY),
)
