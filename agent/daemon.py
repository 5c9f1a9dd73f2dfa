"""The agent's threads and their life: sampling, hooks, uplink, endpoint; SIGTERM stops them."""

from __future__ import annotations

import logging
import queue
import resource
import signal
import sys
import threading
import time
from types import FrameType

from ..exporter.endpoint import Endpoint
from ..exporter.web.config import load_web_config
from ..plugins import systemd
from .config import Config
from .hooks import Datagram, HookSocket
from .node import Node
from .notices import NOTHING
from .spool import Spool

STOPPING = frozenset({signal.SIGTERM, signal.SIGINT})
MAX_QUEUED = 10_000  # datagrams received and not yet in the spool
MAX_BATCH = 256  # datagrams written to the spool in one transaction
# How long a thread may keep the others waiting. A hook waits for 20 ms, and the kernel queues ten
# datagrams: at Python's 5 ms for each they would be read too late while other threads work.
SWITCH_SECONDS = 0.0005
_FLUSH_SECONDS = 5.0  # for a last sending before the agent ends
_LOOK_SECONDS = 0.5  # how often a waiting thread looks whether to stop
_LAST_LOOK_SECONDS = 0.01  # for what hooks told while the agent stops

log = logging.getLogger(__name__)


class Daemon:
    """One running agent."""

    def __init__(self, config: Config) -> None:
        """Open spool, socket and endpoint; OSError or sqlite3.Error where one cannot be had."""
        self._config = config
        self._stop = threading.Event()
        self._queue: queue.Queue[Datagram] = queue.Queue(MAX_QUEUED)
        spool = Spool(config.spool.path, config.spool.max_rows)
        self.node = Node(config, spool)
        self._socket = HookSocket(config.hooks.socket)
        self.endpoint = Endpoint(
            config.metrics.listen,
            self.node.page,
            self.node.ready,
            load_web_config(config.metrics.web_config),
            config.metrics.path,
        )
        self._receiver = threading.Thread(target=self._receive, name="receive", daemon=True)
        self._recorder = threading.Thread(target=self._record, name="record", daemon=True)
        self._threads = [threading.Thread(target=self._sample, name="sample", daemon=True)]
        for name, work in (
            ("uplink", self.node.uplink),
            ("scoring", self.node.scoring),
            ("delivery", self.node.delivery),
        ):
            if work is not None:
                self._threads.append(
                    threading.Thread(target=work.run, args=(self._stop,), name=name, daemon=True)
                )

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; call it in the main thread."""
        for number in STOPPING:
            signal.signal(number, self._on_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        self.start()
        port = self.endpoint.port
        systemd.notify(systemd.READY, systemd.status(f"metrics on port {port}"))
        watchdog = systemd.Watchdog()
        while not self._stop.wait(watchdog.seconds or 60):
            if self._receiver.is_alive() and self._recorder.is_alive():
                watchdog.feed(self.node.health.samples)
        systemd.notify(systemd.STOPPING)
        self.close()

    def start(self) -> None:
        """Start all threads."""
        sys.setswitchinterval(SWITCH_SECONDS)
        for thread in (self._receiver, self._recorder, *self._threads):
            thread.start()
        self.endpoint.start()
        log.info("metrics on port %d, hooks at %s", self.endpoint.port, self._config.hooks.socket)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        log.info("signal %d: stopping", number)
        self._stop.set()

    def close(self) -> None:
        """Stop all threads, write what hooks have told, and try once more to send it."""
        self._stop.set()
        self.node.sampler.notices.wake()
        for thread in (self._receiver, self._recorder, *self._threads):
            thread.join(timeout=10)
        self.endpoint.stop()
        self._socket.close()
        self._flush()
        self.node.close()
        self.node.sampler.close()
        self.node.spool.close()

    def _flush(self) -> None:
        """Send what lies in the spool, as far as a few seconds allow."""
        if self.node.uplink is None:
            return
        late = threading.Event()
        timer = threading.Timer(_FLUSH_SECONDS, late.set)
        timer.start()
        try:
            self.node.uplink.flush(late)
        except Exception as error:  # the last boundary: it stays in the spool
            log.warning("what is in the spool is sent at the next start: %s", error)
        finally:
            timer.cancel()

    def _sample(self) -> None:
        """Sample on the beat of the monotonic clock; beats that were missed are counted."""
        period = self._config.sample.period_seconds
        beat = time.monotonic()
        while not self._stop.is_set():
            try:
                self.node.sample(time.monotonic() - beat)
            except Exception:  # the boundary of the thread: the next sample may work
                self.node.health.sample_errors += 1
                log.exception("a sample failed")
            beat += period
            missed = int((time.monotonic() - beat) / period)
            if missed > 0:
                self.node.health.samples_dropped += missed
                beat += missed * period
            self._attend(beat)

    def _attend(self, until: float) -> None:
        """Wait for the next beat, and do meanwhile what the kernel gives notice of."""
        while not self._stop.is_set():
            seconds = until - time.monotonic()
            if seconds <= 0:
                return
            try:
                due = self.node.sampler.due_in(time.monotonic())
                wait = seconds if due is None else min(seconds, due)
                notice = self.node.sampler.notices.wait(wait)
                if notice != NOTHING or due is not None:
                    self.node.attend(notice)
            except Exception:  # the boundary of the thread
                log.exception("a notice of the kernel was not followed")
                self._stop.wait(min(seconds, _LOOK_SECONDS))

    def _receive(self) -> None:
        """Empty the socket at once: the kernel queues ten datagrams and then turns hooks away."""
        while True:
            stopping = self._stop.is_set()
            try:
                datagram = self._socket.receive(_LAST_LOOK_SECONDS if stopping else _LOOK_SECONDS)
                if datagram is not None:
                    self._queue.put_nowait(datagram)
                elif stopping:
                    return
            except queue.Full:
                self.node.health.hook_events["unknown", "overrun"] += 1
            except OSError:
                if stopping:
                    return
                log.exception("the hook socket failed")
                self._stop.wait(_LOOK_SECONDS)

    def _record(self) -> None:
        """Write what hooks told to the spool, as many at a time as there are."""
        while not (self._stop.is_set() and not self._receiver.is_alive() and self._queue.empty()):
            try:
                batch = [self._queue.get(timeout=_LOOK_SECONDS)]
                while len(batch) < MAX_BATCH and not self._queue.empty():
                    batch.append(self._queue.get_nowait())
            except queue.Empty:
                self.node.spool.retry()
                continue
            try:
                self.node.hear(batch)
            except Exception:  # the boundary of the thread: the next hooks must be heard
                log.exception("%d datagrams were not recorded", len(batch))


def raise_descriptor_limit() -> None:
    """Allow as many open files as the hard limit does: up to twenty are kept for each job."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        log.warning("the limit on open files stays as it is: %s", error)
