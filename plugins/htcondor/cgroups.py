"""Where HTCondor keeps the cgroups of its jobs: they are named by the slot, never by the job.

Sources: src/condor_starter.V6.1/vanilla_proc.cpp and src/condor_utils/proc_family_direct_cgroup_v1
and _v2.cpp at the releases' tags. The name is EXECUTE and the slot's name, with ``/`` as ``_``:

    condor_var_lib_condor_execute_slot1_1@host          v1 up to 24.0, v2 of 23.0 and 24.0
    _var_lib_condor_execute_slot1_1@host                v1 from 24.8
    _var_lib_condor_execute_slot1_1@host.slice          v2 from 24.8: limits and accounting
    _var_lib_condor_execute_slot1_1@host.slice/….scope  v2 from 24.8: the job's processes

They lie below BASE_CGROUP (``htcondor``), which is at the root (v1) or in v2 beside the starter's
own cgroup: at the root, in system.slice, or in what systemd delegates to condor.service. From 24.8,
v2, condor_ssh_to_job has a directory of the v1 form beside the job's, which is no job.
"""

from __future__ import annotations

import re

from ..layout import Layout
from .identify import identify

# SLOT_TYPE_<N>_NAME_PREFIX may replace the word slot, and STARTD_NAME adds a part with an @.
SLOT = r"(?P<slot>[A-Za-z][A-Za-z-]*\d+(?:_\d+)?@[0-9A-Za-z_.:@+-]+?)"
_EXECUTE = r"_[^/]+?_"
_CONDOR_SERVICE = r"system\.slice/condor[^/]*\.service"
_BASE = (
    rf"(?:htcondor[^/]*|system\.slice/htcondor[^/]*|{_CONDOR_SERVICE}"
    rf"|{_CONDOR_SERVICE}/(?:[^/@]+/)?htcondor[^/]*)/"
)
_NO_UNIT = r"(?<!\.slice)(?<!\.scope)"

LAYOUT = Layout(
    scheduler="htcondor",
    globs=(
        "htcondor*/*@*",
        "system.slice/htcondor*/*@*",
        "system.slice/condor*.service/*@*",  # BASE_CGROUP=/system.slice/condor.service
        "system.slice/condor*.service/htcondor*/*@*",
        "system.slice/condor*.service/*/htcondor*/*@*",
    ),
    patterns=(
        re.compile(rf"{_BASE}condor{_EXECUTE}{SLOT}{_NO_UNIT}", re.ASCII),
        re.compile(rf"{_BASE}{_EXECUTE}{SLOT}\.slice", re.ASCII),
    ),
    v1_patterns=(re.compile(rf"{_BASE}{_EXECUTE}{SLOT}{_NO_UNIT}", re.ASCII),),
    identify=identify,
)
