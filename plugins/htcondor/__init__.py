"""HTCondor: where the cgroups of slots lie, and whose job runs in one."""
