"""The command ``jobmend-agent``."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ..jobs.version import VERSION
from .config import DEFAULT_PATH, Config, ConfigError, load, render
from .daemon import Daemon, raise_descriptor_limit
from .metrics import page_of_the_moment
from .sampler import Sampler


def main(argv: Sequence[str] | None = None) -> int:
    """Run the agent, or one of its looks; 0 fine, 1 it cannot run, 2 wrong usage or settings."""
    options = _arguments().parse_args(argv)
    try:
        config = _with_roots(load(options.config), options.cgroup_root, options.proc_root)
    except ConfigError as error:
        print(f"jobmend-agent: {error}", file=sys.stderr)
        return 2
    if options.check_config:
        print(render(config), end="")
        return 0
    if options.once:
        return _once(config)
    return _serve(config)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jobmend-agent", description="Measures the batch jobs of this node and hears hooks."
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=f"configuration (default: {DEFAULT_PATH})"
    )
    parser.add_argument(
        "--check-config", action="store_true", help="print the merged configuration and exit"
    )
    parser.add_argument(
        "--once", action="store_true", help="print one metrics page of what is there and exit"
    )
    parser.add_argument("--cgroup-root", metavar="DIR", help="in place of [sample] cgroup_root")
    parser.add_argument("--proc-root", metavar="DIR", help="in place of [sample] proc_root")
    parser.add_argument("--version", action="version", version=f"jobmend-agent {VERSION}")
    return parser


def _with_roots(config: Config, cgroup_root: str | None, proc_root: str | None) -> Config:
    sample = dataclasses.replace(
        config.sample,
        cgroup_root=cgroup_root or config.sample.cgroup_root,
        proc_root=proc_root or config.sample.proc_root,
    )
    return dataclasses.replace(config, sample=sample)


def _once(config: Config) -> int:
    sampler = Sampler(config)
    try:
        sampler.sample(time.monotonic(), time.time())
        sys.stdout.buffer.write(page_of_the_moment(sampler, config.sample.proc_root))
    finally:
        sampler.close()
    return 0


def _serve(config: Config) -> int:
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
    raise_descriptor_limit()
    try:
        daemon = Daemon(config)
    except (OSError, sqlite3.Error) as error:
        print(f"jobmend-agent: cannot start: {error}", file=sys.stderr)
        return 1
    daemon.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
