"""The brain as one process: API and panel on one port, the watcher beside them."""

from __future__ import annotations

import logging
import sys

import uvicorn

from . import tokens
from .api import create_app
from .config import BrainConfig


def serve(config: BrainConfig) -> None:
    """Serve until SIGTERM or SIGINT. StoreError or TokenError where the files cannot be used."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    app = create_app(config)
    host, port = config.server.address
    print(f"panel: http://{config.server.listen}/", file=sys.stderr)
    for name in (tokens.INGEST, tokens.OPERATOR):
        print(f"{name} token: {config.store.tokens / name}", file=sys.stderr)
    uvicorn.run(
        app,
        host=host,
        port=port,
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_graceful_shutdown=10,
    )
