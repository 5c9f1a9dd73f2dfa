"""What the agent does with a sample and with a hook's datagram: measure, join, tell the spool."""

from __future__ import annotations

import logging
import os
import time
from typing import NamedTuple

from ..exporter.names import FAMILIES
from ..exporter.page import Page
from ..jobs import wire
from ..jobs.events import JobEvent
from ..plugins.layout import JobPath
from . import metrics
from .config import Config
from .hooks import Datagram, RefusalLog, Refused, judge
from .metrics import Health
from .registry import Registry, Rules
from .sampler import Sampler
from .spool import Spool
from .titles import job_id_from_titles
from .trace import JobTrace
from .uplink import Uplink
from .watch import warnings

log = logging.getLogger(__name__)


class _Cut(NamedTuple):
    """When a window was cut, in monotonic seconds, and how many samples there had been."""

    at: float
    samples: int


class Node:
    """The parts of one agent, joined. The sampling thread calls :meth:`sample`, that of the hooks
    :meth:`hear`, that of the endpoint :meth:`page` and :meth:`ready`.
    """

    def __init__(self, config: Config, spool: Spool) -> None:
        """Join the parts ``config`` asks for; what they tell goes to ``spool``."""
        self.config = config
        self.spool = spool
        self.uplink = Uplink(config.uplink, spool)
        self.sampler = Sampler(config)
        self.registry = Registry(
            Rules(
                config.cluster,
                config.node,
                config.hooks.grace_seconds,
                config.metrics.exit_ttl_seconds,
            )
        )
        self.health = Health()
        self._refusals = RefusalLog()
        self._trusted = frozenset((*config.hooks.trusted_uids, os.geteuid()))
        self._windows: dict[JobTrace, _Cut] = {}  # the last window of each job
        self._sampled_at: float | None = None

    def sample(self) -> None:
        """Take one sample and tell what follows from it."""
        now, epoch = time.monotonic(), time.time()
        changes = self.sampler.sample(now, epoch)
        messages: list[wire.Message] = []
        for path, trace in changes.appeared.items():
            self.registry.appeared(path, trace, now)
        for path, trace in changes.vanished.items():
            messages.extend(self._window(path, trace))
            self.registry.vanished(trace, now)
            self._windows.pop(trace, None)
        for path, trace in self.sampler.jobs.items():
            last = self._windows.setdefault(trace, _Cut(now, 0))
            if now - last.at >= self.config.window.interval_seconds:
                messages.extend(self._window(path, trace))
                self._windows[trace] = _Cut(now, trace.samples)
            for kind in warnings(trace, self.config.watch):
                warning = self.registry.warn(trace, kind, epoch)
                messages.extend([warning] if warning else [])
        messages.extend(self.registry.due(now, epoch, self._job_id_of))
        if messages:
            self.spool.add(messages)
        self._count_sample(now)

    def _count_sample(self, began: float) -> None:
        self._sampled_at = time.monotonic()
        self.health.samples += 1
        self.health.sample_seconds += self._sampled_at - began

    def _window(self, path: JobPath, trace: JobTrace) -> list[wire.Message]:
        known = self.registry.measured_by(trace)
        last = self._windows.get(trace)
        if known is None or (last is not None and last.samples == trace.samples):
            return []
        window = self.sampler.window(path, trace, known.run, known.node)
        return [] if window is None else [window]

    def _job_id_of(self, trace: JobTrace) -> str:
        return job_id_from_titles(trace.directories, self.config.sample.proc_root)

    def hear(self, datagrams: list[Datagram]) -> None:
        """Take in what hooks sent; what is told lies in the spool when this returns."""
        told: list[wire.Message] = []
        for datagram in datagrams:
            try:
                told.extend(self._hear_one(datagram))
            except Refused as refused:
                self._refusals.write(datagram, refused, time.monotonic())
                self.health.hook_events[refused.hook, refused.result] += 1
            except Exception:  # the boundary of one datagram: the others must be heard
                log.exception("a datagram of user %d was not understood", datagram.uid)
                self.health.hook_events["unknown", "failed"] += 1
        if told:
            self.spool.add(told)

    def _hear_one(self, datagram: Datagram) -> tuple[JobEvent, ...]:
        event = judge(datagram, self._trusted)
        trusted = datagram.uid in self._trusted
        heard = self.registry.hear(event, datagram.uid, trusted, time.monotonic())
        self.health.hook_events[event.kind.value, heard.result] += 1
        return heard.events

    def page(self) -> bytes:
        """The metrics page now."""
        page = Page(FAMILIES)
        runs = self.registry.runs()
        metrics.add_jobs(page, self.sampler, runs, live=True)
        metrics.add_threads(page, self.sampler, runs)
        metrics.add_features(page, self.sampler)
        metrics.add_exits(page, runs)
        metrics.add_shipping(page, self.spool, self.uplink)
        metrics.add_health(page, self.health, self.sampler.kept.unkept_reads, self.registry.unnamed)
        return page.render()

    def ready(self) -> bool:
        """Was a sample taken lately?"""
        if self._sampled_at is None:
            return False
        patience = max(10 * self.config.sample.period_seconds, 5.0)
        return time.monotonic() - self._sampled_at < patience
