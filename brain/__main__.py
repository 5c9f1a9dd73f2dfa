"""``jobmend-brain``: the central service."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ..jobs.version import VERSION
from .config import DEFAULT_CONFIG, ConfigError, read_config
from .store import StoreError
from .tokens import TokenError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the service; 1 where its files cannot be used, 2 on wrong use or configuration."""
    options = parser().parse_args(arguments)
    try:
        config = read_config(options.config)
        if options.check_config:
            print(config.model_dump_json(indent=2))
            return 0
        from .service import serve

        serve(config)
    except ConfigError as error:
        print(f"jobmend-brain: {error}", file=sys.stderr)
        return 2
    except (StoreError, TokenError) as error:
        print(f"jobmend-brain: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The options."""
    options = argparse.ArgumentParser("jobmend-brain", description="The central jobmend service.")
    options.add_argument(
        "--config",
        type=Path,
        default=DEFAULT_CONFIG,
        metavar="FILE",
        help="configuration (default: %(default)s)",
    )
    options.add_argument(
        "--check-config", action="store_true", help="print the merged configuration and stop"
    )
    options.add_argument("--version", action="version", version=f"jobmend {VERSION}")
    return options


if __name__ == "__main__":
    sys.exit(main())
