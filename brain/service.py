"""The brain as one process: API and panel on one port, the watcher beside them."""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import time

import uvicorn
from fastapi import FastAPI

from ..plugins import systemd
from . import tokens
from .api.app import create_app
from .config import BrainConfig


def serve(config: BrainConfig) -> None:
    """Serve until SIGTERM or SIGINT. StoreError or TokenError where the files cannot be used."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    app = create_app(config)
    print(f"panel: http://{config.server.listen}/", file=sys.stderr)
    for name in (tokens.INGEST, tokens.OPERATOR):
        print(f"{name} token: {config.store.tokens / name}", file=sys.stderr)
    server = _Server(app, config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(1)


class _Server(uvicorn.Server):
    """Tells systemd when it serves, that it goes on, and when it is about to end."""

    def __init__(self, app: FastAPI, config: BrainConfig) -> None:
        self._app = app
        self._watchdog = systemd.Watchdog()
        host, port = config.server.address
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                access_log=False,
                server_header=False,
                log_level="warning",
                timeout_graceful_shutdown=10,
                callback_notify=self._feed,
                timeout_notify=int(self._watchdog.seconds or 60),
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            address = f"{self.config.host}:{self.config.port}"
            systemd.notify(systemd.READY, systemd.status(f"panel on {address}"))

    async def _feed(self) -> None:
        """Called by the event loop, so that one turns; the watcher's thread must be there too."""
        if self._app.state.brain.watcher.alive:
            self._watchdog.feed(time.monotonic_ns())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        systemd.notify(systemd.STOPPING)
        await super().shutdown(sockets)
