"""Where Slurm keeps the cgroups of its jobs.

Sources: src/plugins/cgroup/v1/xcgroup.c and src/interfaces/cgroup.c (v1), doc/html/cgroup_v2.shtml
(v2). ``slurm_<node>`` and ``<node>_slurmstepd.scope`` come with several slurmd on one machine;
CgroupSlice= moves the scope below other slices. Slurm 26.05 names the directory by the SLUID, which
is one per run; before, the directory does not tell runs of one job apart.
"""

from __future__ import annotations

import re

from ..layout import Layout
from .identify import identify, steps

_SCOPE = "*slurmstepd.scope/*"

LAYOUT = Layout(
    scheduler="slurm",
    globs=(
        "slurm/uid_*/job_*",
        "slurm_*/uid_*/job_*",
        *(f"{'*.slice/' * depth}{_SCOPE}" for depth in (1, 2, 3)),
    ),
    patterns=(
        re.compile(r"slurm(?:_(?P<node>[^/]+))?/uid_\d+/job_(?P<job>\d+)", re.ASCII),
        re.compile(
            r"(?:[^/]+\.slice/){1,3}(?:(?P<node>[^/]+)_)?slurmstepd\.scope/"
            r"(?:job_(?P<job>\d+)|(?P<run>[sS][0-9A-HJKMNP-TV-Z]{13}))",
            re.ASCII,
        ),
    ),
    identify=identify,
    steps=steps,
    user_cgroups=("step_*/user",),
)
