"""How an execution of a job is named. Imported by the hook, so it imports next to nothing."""

from __future__ import annotations

MAX_NAME = 256  # characters, jobs.fields.MAX_NAME


def ordinal(shadow_starts: int, reconnects: int) -> int:
    """Which execution of its job it is, from 1 on: NumShadowStarts less NumJobReconnects.

    A shadow that comes back to a job that went on meanwhile is counted in both.
    """
    return max(shadow_starts - reconnects, 0)


def run_name(global_job_id: str, execution: int) -> str:
    """What tells runs apart: GlobalJobId and the ordinal of the execution, ``node1#2.0#179…#1``.

    At most 256 characters: of a longer one the end, which holds the job id, the time and the
    ordinal. Anything that cannot stand in a run's key becomes ``_``.
    """
    text = f"{global_job_id}#{execution}"[-MAX_NAME:]
    return "".join(char if "!" <= char <= "~" and char != "/" else "_" for char in text)
