"""What the agent does with a sample and with a hook's datagram: measure, join, tell the spool."""

from __future__ import annotations

import logging
import math
import os
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from ..jobs import wire
from ..jobs.events import EventKind, JobEvent
from ..jobs.windows import WindowLength
from ..plugins.layout import JobPath
from .config import Config
from .health import Health
from .hooks import Datagram, RefusalLog, Refused, judge
from .metrics import Metrics
from .notices import Notice
from .registry import Registry, Rules
from .resolver import Resolver
from .sampler import Changes, Sampler
from .spool import Spool
from .standing import INTERVAL_SECONDS, Standing, StandingFile
from .trace import JobTrace
from .watch import warnings

_CHORES_SECONDS = 1.0  # between two rounds of what need not be done at each sample

log = logging.getLogger(__name__)


if TYPE_CHECKING:
    from .delivery import Delivery
    from .scoring import Scoring
    from .uplink import Uplink


def _scoring(config: Config, spool: Spool) -> tuple[Scoring | None, Delivery | None]:
    """What scores windows on this node, and what keeps its model that of the brain."""
    if not config.scorer.enabled:
        return None, None
    from .scoring import Scoring

    length = WindowLength(config.window.steps, config.sample.period_seconds)
    scoring = Scoring(config.scorer, length, spool.add)
    if not config.uplink.url:
        return scoring, None
    from .delivery import Delivery

    way = config.uplink
    return scoring, Delivery(config.scorer, way, lambda: scoring.model, scoring.offer_model)


def _uplink(config: Config, spool: Spool) -> Uplink | None:
    """The way to the brain, loaded only where there is one."""
    if not config.uplink.url:
        return None
    from .uplink import Uplink

    return Uplink(config.uplink, spool)


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
        self.uplink = _uplink(config, spool)
        self.scoring, self.delivery = _scoring(config, spool)
        self.sampler = Sampler(config)
        self.registry = Registry(
            Rules(
                config.cluster,
                config.node,
                config.hooks.grace_seconds,
                config.metrics.exit_ttl_seconds,
            ),
            Resolver(config.sample.proc_root),
            self.sampler.refresh,
        )
        self.health = Health()
        self._metrics = Metrics(
            self.sampler,
            self.registry,
            self.health,
            spool,
            self.uplink,
            totals_ttl_seconds=config.metrics.totals_ttl_seconds,
            peers=config.metrics.compat,
            scoring=self.scoring,
            delivery=self.delivery,
        )
        self._refusals = RefusalLog()
        self._trusted = frozenset((*config.hooks.trusted_uids, os.geteuid()))
        self._windows: dict[JobTrace, _Cut] = {}  # the last window of each job
        self._sampled_at: float | None = None
        self._chores_at = self._warned_at = self._stood_at = -math.inf
        self._ailing: list[tuple[JobTrace, EventKind]] = []  # the warnings that hold now
        self._counted = (0, 0)  # samples taken and missed when the standing was last told
        hooks = config.hooks
        self._standing = StandingFile(
            hooks.node_file and os.path.join(os.path.dirname(hooks.socket), hooks.node_file)
        )

    def sample(self, late_seconds: float = 0.0) -> None:
        """Take one sample and tell what follows from it; it began so late after its beat."""
        now, epoch = time.monotonic(), time.time()
        for trace in self.registry.take_reused():
            self._tell(self._follow(self.sampler.renew(trace, now, epoch), now))
        changes = self.sampler.sample(now, epoch)
        messages = self._follow(changes, now)
        if changes or now - self._chores_at >= 0.9 * _CHORES_SECONDS:
            self._chores_at = now
            messages.extend(self._cut_windows(now))
            messages.extend(self._warn(now, epoch))
            messages.extend(self.registry.due(now, epoch))
        self._tell(messages)
        self._count_sample(now, late_seconds)
        if now - self._stood_at >= INTERVAL_SECONDS:
            self._stood_at = now
            self._standing.write(self._stand(), epoch)

    def _cut_windows(self, now: float) -> list[wire.Message]:
        """The windows that are due of the jobs that run."""
        messages: list[wire.Message] = []
        for path, trace in self.sampler.jobs.items():
            last = self._windows.get(trace)
            if last is None:
                self._windows[trace] = _Cut(now, 0)
            elif now - last.at >= self.config.window.interval_seconds:
                messages.extend(self._window(path, trace))
                self._windows[trace] = _Cut(now, trace.samples)
        return messages

    def _warn(self, now: float, epoch: float) -> list[wire.Message]:
        """The warnings that hold now and were not told before."""
        watch, period = self.config.watch, self.config.sample.period_seconds
        if now - self._warned_at < min(watch.stall_seconds, watch.contention_seconds) / 20:
            return []
        self._warned_at = now
        self._ailing = [
            (trace, kind)
            for trace in self.sampler.jobs.values()
            for kind in warnings(trace, self.sampler.threads, watch, period)
        ]
        told = (self.registry.warn(trace, kind, epoch) for trace, kind in self._ailing)
        return [warning for warning in told if warning is not None]

    def _stand(self) -> Standing:
        """How the node stands, with what became of the samples since the time before."""
        samples, missed = self._counted
        self._counted = (self.health.samples, self.health.samples_dropped)
        taken, lost = self._counted[0] - samples, self._counted[1] - missed
        jobs = Counter(kind for _, kind in self._ailing)
        users = Counter(kind for kind, _ in {(kind, self._user(one)) for one, kind in self._ailing})
        return Standing(
            jobs=len(self.sampler.jobs),
            stalled=jobs[EventKind.STALL],
            contended=jobs[EventKind.CONTENTION],
            stalled_users=users[EventKind.STALL],
            contended_users=users[EventKind.CONTENTION],
            spool_failing=self.spool.failing,
            sampling_late=lost > taken,
            anomaly_score=self._anomaly_score(),
        )

    def _anomaly_score(self) -> float | None:
        """The highest score of the jobs that run; None where none was scored."""
        measured = (self.registry.measured_by(trace) for trace in self.sampler.jobs.values())
        anomalies = (known.anomaly for known in measured if known is not None)
        return max((found.score for found in anomalies if found is not None), default=None)

    def _user(self, trace: JobTrace) -> str:
        known = self.registry.measured_by(trace)
        return known.facts.user if known is not None else ""

    def close(self) -> None:
        """The agent ends: nobody may take it for a running one."""
        self._standing.remove()

    def attend(self, notice: Notice) -> None:
        """Do what a notice of the kernel asks for between two samples."""
        now = time.monotonic()
        self._tell(self._follow(self.sampler.attend(notice, now, time.time()), now))

    def _follow(self, changes: Changes, now: float) -> list[wire.Message]:
        """Join what the sampler saw with what hooks told; windows of the jobs that went."""
        messages: list[wire.Message] = []
        for path, trace in changes.vanished.items():
            messages.extend(self._window(path, trace))
            self.registry.vanished(trace, now)
            self._windows.pop(trace, None)
        for path, trace in changes.appeared.items():
            self.registry.appeared(path, trace, now)
        return messages

    def _tell(self, messages: list[wire.Message]) -> None:
        if messages:
            self.spool.add(messages)
        if self.scoring is not None:
            self.scoring.hear(messages)

    def _count_sample(self, began: float, late_seconds: float) -> None:
        self._sampled_at = time.monotonic()
        self.health.samples += 1
        self.health.sample_seconds += self._sampled_at - began
        self.health.late_seconds += max(late_seconds, 0.0)

    def _window(self, path: JobPath, trace: JobTrace) -> list[wire.Message]:
        known = self.registry.measured_by(trace)
        last = self._windows.get(trace)
        if known is None or (last is not None and last.samples == trace.samples):
            return []
        window = self.sampler.window(path, trace, known.run, known.node)
        if window is not None and self.scoring is not None:
            self.scoring.offer(known, window)
            return []
        return [] if window is None else [window]

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
        self._tell(told)

    def _hear_one(self, datagram: Datagram) -> tuple[JobEvent, ...]:
        event = judge(datagram, self._trusted, self.registry.may_claim)
        trusted = datagram.uid in self._trusted
        heard = self.registry.hear(event, datagram.uid, trusted, time.monotonic())
        self.health.hook_events[event.kind.value, heard.result] += 1
        return heard.events

    def page(self, openmetrics: bool = False) -> bytes:
        """The metrics page now, as OpenMetrics or as Prometheus' own text."""
        return self._metrics.page(openmetrics)

    def ready(self) -> bool:
        """Was a sample taken lately?"""
        if self._sampled_at is None:
            return False
        patience = max(10 * self.config.sample.period_seconds, 5.0)
        return time.monotonic() - self._sampled_at < patience
