"""The metric families jobmend publishes: name, type, labels, help. The single source.

Base units, the unit in the name, ``_total`` on counters, ``_info`` for series whose value is 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# What a job's series are known by. ``node`` is there only where several nodes share one machine,
# ``slot`` only while nobody has told the id of an HTCondor job.
JOB = ("scheduler", "jobid", "run", "node", "slot")


@dataclass(frozen=True)
class Family:
    """One metric family; ``type`` is counter, gauge or summary."""

    name: str
    type: str
    help: str
    labels: tuple[str, ...] = ()


def _counter(name: str, help: str, *labels: str) -> Family:
    return Family(name, "counter", help, labels)


def _gauge(name: str, help: str, *labels: str) -> Family:
    return Family(name, "gauge", help, labels)


_JOB_IDENTITY = (
    _gauge(
        "jobmend_job_info",
        "A job on this node and what its scheduler told about it.",
        *(*JOB, "user", "account", "site", "cgroup"),
    ),
    _gauge("jobmend_job_start_time_seconds", "When the start hook told of the job, epoch.", *JOB),
    _gauge(
        "jobmend_job_last_seen_timestamp_seconds", "When the job was last sampled, epoch.", *JOB
    ),
    _gauge(
        "jobmend_job_exit_info",
        "How a job ended, for a while after its end.",
        *(*JOB, "kind", "code", "signal", "reason"),
    ),
)

_JOB_CPU = (
    _counter("jobmend_job_cpu_user_seconds_total", "CPU time in user mode.", *JOB),
    _counter("jobmend_job_cpu_system_seconds_total", "CPU time in the kernel.", *JOB),
    _counter(
        "jobmend_job_cpu_throttled_seconds_total",
        "Time the CPU bandwidth limit held it back.",
        *JOB,
    ),
    _gauge("jobmend_job_cpus", "Hardware threads the job's cpuset holds.", *JOB),
)

_JOB_MEMORY = (
    _gauge("jobmend_job_memory_current_bytes", "Memory charged, page cache included.", *JOB),
    _gauge("jobmend_job_memory_anon_bytes", "Anonymous memory: heap, stack.", *JOB),
    _gauge("jobmend_job_memory_file_bytes", "Page cache, shared memory included.", *JOB),
    _gauge("jobmend_job_memory_shmem_bytes", "Shared memory and tmpfs.", *JOB),
    _gauge("jobmend_job_memory_inactive_file_bytes", "Page cache not used lately.", *JOB),
    _gauge("jobmend_job_memory_swap_bytes", "Memory swapped out.", *JOB),
    _gauge("jobmend_job_memory_peak_bytes", "Highest memory charged so far.", *JOB),
    _gauge("jobmend_job_memory_limit_bytes", "Limit on the memory charged.", *JOB),
    _gauge("jobmend_job_memory_working_set_bytes", "Current less inactive file.", *JOB),
    _counter(
        "jobmend_job_memory_oom_events_total", "Times the limit brought the OOM killer.", *JOB
    ),
    _counter("jobmend_job_memory_oom_kills_total", "Processes the OOM killer ended.", *JOB),
    _counter(
        "jobmend_job_memory_limit_hits_total", "Times the limit on the memory was run into.", *JOB
    ),
)

_JOB_PROCESSES = (
    _gauge("jobmend_job_processes", "Processes of the job, by the last census.", *JOB),
    _gauge("jobmend_job_threads", "Tasks of the job, its processes' threads included.", *JOB),
)

_JOB_IO = (
    _counter("jobmend_job_io_read_bytes_total", "Bytes read from block devices.", *JOB),
    _counter("jobmend_job_io_write_bytes_total", "Bytes written to block devices.", *JOB),
    _counter("jobmend_job_io_read_operations_total", "Reads from block devices.", *JOB),
    _counter("jobmend_job_io_write_operations_total", "Writes to block devices.", *JOB),
)

_JOB_PRESSURE = tuple(
    _counter(
        f"jobmend_job_pressure_{resource}_{word}_seconds_total",
        f"Time in which {who} waited for {what}.",
        *JOB,
    )
    for resource, what in (("cpu", "a CPU"), ("memory", "memory"), ("io", "I/O"))
    for word, who in (("waiting", "some task of the job"), ("stalled", "all its tasks at once"))
)

_JOB_ANOMALY = (
    _gauge(
        "jobmend_job_anomaly_score",
        "How odd the job's newest window is; higher is more abnormal.",
        *JOB,
    ),
    _gauge(
        "jobmend_job_anomaly_p_value",
        "Share of healthy runs at least as odd (conformal p-value).",
        *JOB,
    ),
)

_THREADS = (
    _counter(
        "jobmend_thread_cpu_seconds_total", "What a hardware thread did, by mode.", "cpu", "mode"
    ),
    _gauge(
        "jobmend_thread_job_info",
        "Which job may run on a hardware thread, and how that is known.",
        *("cpu", *JOB, "ownership"),
    ),
)

_AGENT = (
    _gauge(
        "jobmend_feature_supported",
        "Do the job cgroups of this node offer the feature (1), or not (0).",
        "feature",
    ),
    _gauge("jobmend_build_info", "Version of the agent.", "version"),
    Family("jobmend_agent_sample_duration_seconds", "summary", "Time one sample of all jobs took."),
    Family("jobmend_agent_sample_jitter_seconds", "summary", "How late samples began."),
    _counter("jobmend_agent_samples_dropped_total", "Samples not taken because one took too long."),
    _counter("jobmend_agent_sample_errors_total", "Samples that failed as a whole."),
    _counter(
        "jobmend_agent_hook_events_total", "Datagrams from hooks by result.", "hook", "result"
    ),
    _counter("jobmend_agent_attribution_errors_total", "What could not be told of jobs.", "reason"),
    _gauge(
        "jobmend_agent_collector_success",
        "Is this part of the page whole (1), or not (0).",
        "collector",
    ),
    _gauge(
        "jobmend_agent_collector_duration_seconds", "Time this part of the page took.", "collector"
    ),
    _gauge("jobmend_agent_kept_files", "Kernel files kept open."),
    _counter(
        "jobmend_agent_unkept_files_total", "Files read by open and close for want of descriptors."
    ),
    _gauge("jobmend_agent_spool_messages", "Messages waiting to be sent.", "kind"),
    _gauge("jobmend_agent_spool_oldest_seconds", "Age of the oldest message waiting to be sent."),
    _counter(
        "jobmend_agent_spool_dropped_total", "Messages lost because the spool is full.", "kind"
    ),
    _counter(
        "jobmend_agent_spool_errors_total", "Writes to the spool that failed and are retried."
    ),
    _counter("jobmend_agent_uplink_requests_total", "Requests to the brain by result.", "result"),
    _counter("jobmend_agent_uplink_messages_total", "Messages the brain answered.", "result"),
    _gauge("jobmend_agent_scorer_up", "Does the scorer run (1), or not (0)."),
    _gauge("jobmend_agent_scorer_model_info", "The model that windows are scored with.", "version"),
    _gauge("jobmend_agent_scorer_resident_bytes", "Resident memory of the scorer."),
    _counter("jobmend_agent_scorer_restarts_total", "Scorers started in place of one before."),
    _counter("jobmend_agent_scorer_windows_total", "Windows by what became of them.", "result"),
    _counter("jobmend_agent_scorer_wait_seconds_total", "Time windows waited for their scores."),
    _counter("jobmend_agent_scorer_kept_windows_total", "Windows told to the brain.", "reason"),
    _counter(
        "jobmend_agent_scorer_passed_over_windows_total",
        "Windows of abnormal and ailing runs beyond what a period may hold.",
    ),
    _counter("jobmend_agent_scorer_models_total", "Models by what the scorer did.", "result"),
    _counter("jobmend_agent_scorer_fetches_total", "Questions to the brain for a model.", "result"),
    _counter("process_cpu_seconds_total", "CPU time of the agent."),
    _gauge("process_resident_memory_bytes", "Resident memory of the agent."),
    _gauge("process_start_time_seconds", "When the agent was started, epoch."),
    _gauge("process_max_fds", "Files the agent may have open."),
)

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        *_JOB_IDENTITY,
        *_JOB_CPU,
        *_JOB_MEMORY,
        *_JOB_PROCESSES,
        *_JOB_IO,
        *_JOB_PRESSURE,
        *_JOB_ANOMALY,
        *_THREADS,
        *_AGENT,
    )
}
