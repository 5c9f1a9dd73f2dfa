"""The schedulers of the configuration, by (cluster, scheduler's name)."""

from __future__ import annotations

from collections.abc import Mapping

from ..plugins.scheduler import Scheduler
from .config import ConfigError, SchedulersConfig

Schedulers = Mapping[tuple[str, str], Scheduler]


def build(config: SchedulersConfig) -> Schedulers:
    """Make each configured scheduler's plugin; ConfigError where it refuses its settings."""
    found: dict[tuple[str, str], Scheduler] = {}
    if config.local is not None:
        from ..plugins.local.scheduler import LocalScheduler

        local = LocalScheduler(config.local.cluster, config.local.state_dir)
        found[config.local.cluster, local.name] = local
    if config.slurm is not None:
        from ..plugins.slurm.scheduler import SlurmScheduler

        wanted = config.slurm
        try:
            slurm = SlurmScheduler(
                wanted.cluster, wanted.workflow_from, wanted.bin_dir, sites=wanted.sites
            )
        except ValueError as error:
            raise ConfigError(f"schedulers.slurm: {error}") from error
        found[config.slurm.cluster, slurm.name] = slurm
    return found
