"""Where Slurm keeps the cgroups of its jobs.

Sources: src/plugins/cgroup/v1/xcgroup.c and src/interfaces/cgroup.c (v1), doc/html/cgroup_v2.shtml
(v2). ``slurm_<node>`` and ``<node>_slurmstepd.scope`` come with several slurmd on one machine;
CgroupSlice= moves the scope below other slices. Slurm 26.05 names the directory by the SLUID, which
is one per run; before, the directory does not tell runs of one job apart.
"""

from __future__ import annotations

import re

from ..layout import Layout

LAYOUT = Layout(
    scheduler="slurm",
    globs=(
        "slurm/uid_*/job_*",
        "slurm_*/uid_*/job_*",
        "*.slice/*slurmstepd.scope/*",
        "*.slice/*.slice/*slurmstepd.scope/*",
    ),
    # The first lookahead says which paths are meant, the rest reads them: re knows a name once.
    pattern=re.compile(
        r"""(?x)
        (?= slurm (?:_[^/]+)? / uid_\d+ /
          | (?:[^/]+\.slice/)+ (?:[^/]+_)? slurmstepd\.scope / )
        (?: slurm_? | (?:[^/]+\.slice/)+ )
        (?P<node> [^/]+? )??
        (?: / uid_\d+ / | _? slurmstepd\.scope / )
        (?: job_ (?P<job>\d+) | (?P<run> [sS][0-9A-HJKMNP-TV-Z]{13} ) )
        """
    ),
)
