"""Slurm: cgroup layout, prolog/epilog hook, accounting history, actions."""
