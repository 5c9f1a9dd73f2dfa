"""The schedulers of the configuration, by (cluster, scheduler's name).

A plugin is imported when its table stands in the configuration: HTCondor's bindings need not be
there for Slurm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ..plugins.scheduler import Scheduler, SchedulerError
from .config import ConfigError, HTCondorConfig, LocalConfig, SchedulersConfig, SlurmConfig

Schedulers = Mapping[tuple[str, str], Scheduler]

_CURES = {
    "htcondor2": "pip install 'jobmend[htcondor]'",
    "pyslurm": "install the pyslurm of this Slurm release, or set reader = 'sacct'",
}


def build(config: SchedulersConfig) -> Schedulers:
    """Make each configured scheduler's plugin; ConfigError where it refuses its settings."""
    return {(cluster, made.name): made for cluster, made in _made(config)}


def _made(config: SchedulersConfig) -> Iterator[tuple[str, Scheduler]]:
    local, slurm, htcondor = config.local, config.slurm, config.htcondor
    if local is not None:
        yield local.cluster, _guarded("local", lambda: _local(local))
    if slurm is not None:
        yield slurm.cluster, _guarded("slurm", lambda: _slurm(slurm))
    if htcondor is not None:
        yield htcondor.cluster, _guarded("htcondor", lambda: _htcondor(htcondor))


def _guarded(table: str, make: Callable[[], Scheduler]) -> Scheduler:
    """What ``make`` makes; its refusal as a ConfigError that names the table."""
    try:
        return make()
    except ImportError as error:
        cure = _CURES.get(error.name or "")
        if cure is None:
            raise
        raise ConfigError(f"schedulers.{table}: {error.name} is not installed: {cure}") from error
    except (ValueError, SchedulerError) as error:
        raise ConfigError(f"schedulers.{table}: {error}") from error


def _local(wanted: LocalConfig) -> Scheduler:
    from ..plugins.local.scheduler import LocalScheduler

    return LocalScheduler(wanted.cluster, wanted.state_dir)


def _slurm(wanted: SlurmConfig) -> Scheduler:
    from ..plugins.slurm.scheduler import SlurmScheduler

    rest = None
    if wanted.reader == "rest" and wanted.rest_token_file is not None:
        from ..plugins.slurm.rest import RestAccess

        rest = RestAccess(wanted.rest_url, wanted.rest_user, wanted.rest_token_file)
    return SlurmScheduler(
        wanted.cluster,
        wanted.workflow_from,
        wanted.bin_dir,
        sites=wanted.sites,
        reader=wanted.reader,
        rest=rest,
        workflow_pattern=wanted.workflow_pattern,
        splitting_command=wanted.splitting_command,
        data_access=wanted.data_access,
    )


def _htcondor(wanted: HTCondorConfig) -> Scheduler:
    from ..plugins.htcondor.scheduler import HTCondorScheduler

    return HTCondorScheduler(
        wanted.cluster,
        pool=wanted.pool,
        schedds=wanted.schedds,
        config=wanted.config,
        token_dir=wanted.token_dir,
        workflow_from=wanted.workflow_from,
        site_from=wanted.site_from,
        event_log=wanted.event_log,
        splitting_command=wanted.splitting_command,
        data_access=wanted.data_access,
        sites=wanted.sites,
    )
