"""The source of traces that the configuration names."""

from __future__ import annotations

from ..config import BrainConfig, SchedulersConfig
from .archive import Archive
from .prometheus import PrometheusSource
from .promql import PromClient
from .source import TraceSource
from .victoria import VictoriaSource

ARCHIVE = "archive"


def source_of(config: BrainConfig) -> TraceSource:
    """What ``[learning] source`` says; PromError where it is an address and nothing answers."""
    if config.learning.source == ARCHIVE:
        return Archive(config.store.archive)
    client = PromClient(config.learning.source)
    kind = VictoriaSource if client.can_export() else PrometheusSource
    return kind(client, clusters_of(config.schedulers))


def clusters_of(schedulers: SchedulersConfig) -> dict[str, str]:
    """The name of the cluster of each scheduler that is watched."""
    watched = {
        "local": schedulers.local,
        "slurm": schedulers.slurm,
        "htcondor": schedulers.htcondor,
    }
    return {name: found.cluster for name, found in watched.items() if found is not None}
