"""Where the local runner keeps the cgroups of its jobs.

``jobmend[_<instance>]/job_<id>.<run>``, run a ULID: at the root of a hierarchy, or below the cgroup
that systemd delegates to the runner (a service, a user's manager, a login session).
"""

from __future__ import annotations

import re

from ..layout import Layout

LAYOUT = Layout(
    scheduler="local",
    globs=(
        "jobmend*/job_*",
        "*.slice/*.service/jobmend*/job_*",
        "user.slice/user-*.slice/session-*.scope/jobmend*/job_*",
        "user.slice/user-*.slice/user@*.service/*/jobmend*/job_*",
        "user.slice/user-*.slice/user@*.service/*/*/jobmend*/job_*",
    ),
    patterns=(
        re.compile(
            r"(?:.+/)?jobmend(?:_[^/]+)?/"
            r"job_(?P<job>[0-9A-Za-z_.-]{1,64})\.(?P<run>[0-9A-HJKMNP-TV-Z]{26})"
        ),
    ),
)
