"""Where the local plugin keeps its files and what it may use of the machine."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_CLUSTER = "local"
CGROUP_ROOT = "/sys/fs/cgroup"
_INSTANCE = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True)
class Settings:
    """One queue on one machine.

    ``instance`` is part of the names of its cgroups and keeps queues apart; ``slots`` is the
    number of CPUs jobs may have together, None for every hardware thread of the affinity mask.
    """

    state_dir: Path
    cluster: str
    instance: str
    cgroup_root: Path = Path(CGROUP_ROOT)
    slots: int | None = None

    @property
    def output_dir(self) -> Path:
        """Where jobs write that name no file of their own."""
        return self.state_dir / "output"

    @property
    def slots_dir(self) -> Path:
        """Where the lock files of the slots are."""
        return self.state_dir / "slots"

    @property
    def cgroup_parent(self) -> str:
        """The directory above the cgroups of all jobs of this queue."""
        return f"jobmend_{self.instance}"


def read_settings(
    state_dir: Path | None = None,
    cluster: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Settings:
    """Settings out of arguments, then ``JOBMEND_*`` variables, then defaults.

    ValueError names the variable that cannot be used.
    """
    chosen = Path(state_dir or environ.get("JOBMEND_LOCAL_DIR") or default_state_dir()).absolute()
    instance = environ.get("JOBMEND_LOCAL_INSTANCE") or _short_hash(chosen)
    if not _INSTANCE.fullmatch(instance):
        raise ValueError(
            f"JOBMEND_LOCAL_INSTANCE={instance!r}: up to 32 letters, digits, _ and - are wanted"
        )
    slots = environ.get("JOBMEND_LOCAL_SLOTS", "")
    if slots and (not slots.isdecimal() or int(slots) < 1):
        raise ValueError(f"JOBMEND_LOCAL_SLOTS={slots!r}: a whole number above 0 is wanted")
    return Settings(
        state_dir=chosen,
        cluster=cluster or environ.get("JOBMEND_LOCAL_CLUSTER") or DEFAULT_CLUSTER,
        instance=instance,
        cgroup_root=Path(environ.get("JOBMEND_CGROUP_ROOT") or CGROUP_ROOT),
        slots=int(slots) if slots else None,
    )


def default_state_dir() -> Path:
    """``/var/lib/jobmend/local`` for root, a folder at home for everybody else."""
    if os.geteuid() == 0:
        return Path("/var/lib/jobmend/local")
    return Path.home() / ".local/state/jobmend/local"


def _short_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
