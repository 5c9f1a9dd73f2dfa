"""The command ``jobmend-agent``."""

from __future__ import annotations

import dataclasses
import logging
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..exporter.endpoint import parse_address
from ..exporter.routes import check_path
from ..exporter.web.config import load_web_config
from ..exporter.web.errors import WebConfigError
from ..jobs.version import VERSION
from .config import DEFAULT_PATH, Config, ConfigError, load, render
from .daemon import STOPPING, Daemon, raise_descriptor_limit
from .memory import forget_the_start, keep_small
from .metrics import page_of_the_moment
from .sampler import Sampler

if TYPE_CHECKING:
    import argparse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the agent, or one of its looks; 0 fine, 1 it cannot run, 2 wrong usage or settings."""
    try:
        config, work = _understood(argv)
        return work(config)
    except (ConfigError, WebConfigError) as error:
        return _failed(2, error)


def _understood(argv: Sequence[str] | None) -> tuple[Config, Callable[[Config], int]]:
    """The configuration that a command line asks for, and what it wants done with it."""
    options = _arguments().parse_args(argv)
    config = _overridden(load(options.config), options)
    if options.check_config:
        return config, _check
    if options.once:
        return config, _once_as_openmetrics if options.openmetrics else _once
    return config, _serve


def _arguments() -> argparse.ArgumentParser:
    import argparse  # here, so that it can be unloaded

    parser = argparse.ArgumentParser(
        prog="jobmend-agent",
        description="Measures the batch jobs of this node and hears hooks.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", metavar="FILE", help=f"configuration (default: {DEFAULT_PATH})")
    parser.add_argument(
        "--check-config", action="store_true", help="print the merged configuration and exit"
    )
    parser.add_argument(
        "--once", action="store_true", help="print one metrics page of what is there and exit"
    )
    parser.add_argument(
        "--openmetrics", action="store_true", help="with --once: as OpenMetrics 1.0.0"
    )
    parser.add_argument("--version", action="version", version=f"jobmend-agent {VERSION}")
    _add_overrides(parser)
    return parser


def _add_overrides(parser: argparse.ArgumentParser) -> None:
    """Flags in place of keys of the configuration; those of the page as other exporters have."""
    for flag, section, key, metavar, kind in (
        ("--cgroup-root", "sample", "cgroup_root", "DIR", str),
        ("--proc-root", "sample", "proc_root", "DIR", str),
        ("--web.listen-address", "metrics", "listen", "HOST:PORT", _checked(parse_address)),
        ("--web.telemetry-path", "metrics", "path", "PATH", _checked(check_path)),
        ("--web.config.file", "metrics", "web_config", "FILE", str),
        ("--compat", "metrics", "compat", "NAMES", _names),
    ):
        parser.add_argument(
            flag,
            dest=f"{section}.{key}",
            metavar=metavar,
            type=kind,
            help=f"in place of [{section}] {key}",
        )


def _checked(check: Callable[[str], object]) -> Callable[[str], str]:
    """A type of argument that ``check`` takes as it is; ValueError becomes the usage's error."""
    import argparse

    def checked(text: str) -> str:
        try:
            check(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        return text

    return checked


def _names(text: str) -> tuple[str, ...]:
    """Names of peers between commas; an empty text is none of them."""
    from ..exporter import compat  # a megabyte of tables, for who asks for them

    names = tuple(filter(None, (name.strip() for name in text.split(","))))
    _checked(lambda _: compat.choose(names))(text)
    return names


def _overridden(config: Config, options: argparse.Namespace) -> Config:
    """``config`` with the values that flags gave."""
    for name, value in vars(options).items():
        section, dot, key = name.partition(".")
        if dot and value is not None:
            table: Any = getattr(config, section)
            config = dataclasses.replace(
                config, **{section: dataclasses.replace(table, **{key: value})}
            )
    return config


def _check(config: Config) -> int:
    load_web_config(config.metrics.web_config)
    print(render(config), end="")
    return 0


def _once_as_openmetrics(config: Config) -> int:
    return _once(config, openmetrics=True)


def _once(config: Config, *, openmetrics: bool = False) -> int:
    sampler = Sampler(config)
    try:
        sampler.sample(time.monotonic(), time.time())
        page = page_of_the_moment(
            sampler,
            config.sample.proc_root,
            openmetrics=openmetrics,
            peers=config.metrics.compat,
        )
        sys.stdout.buffer.write(page)
    finally:
        sampler.close()
    return 0


def _serve(config: Config) -> int:
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
    raise_descriptor_limit()
    keep_small()
    # Hooks are answered before the signals are handled: one that comes in between must wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        daemon = Daemon(config)
    except (OSError, sqlite3.Error) as error:
        return _failed(1, f"cannot start: {error}")
    forget_the_start()
    daemon.run()
    return 0


def _failed(code: int, sentence: object) -> int:
    print(f"jobmend-agent: {sentence}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
