"""``jobmend-doctor``: is jobmend in order on this machine? Runs as any user, and only reads."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

from ...jobs.version import VERSION
from . import node, report, schedulers


def main(argv: Sequence[str] | None = None) -> int:
    """Print what is found; the exit status is 1 where anything is bad, else 0."""
    options = _arguments().parse_args(argv)
    settings, told = node.read_settings(options.config)
    told = replace(told, uplink=options.brain or told.uplink)
    wanted = bool(options.config)
    found = [settings, *node.examine(told, wanted=wanted, agent_url=options.agent)]
    found += schedulers.examine(told)
    report.show(found, as_json=options.json)
    return report.status(found)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jobmend-doctor",
        description="Looks whether jobmend is in order on this machine, and names each cure.",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    parser.add_argument(
        "--config", metavar="FILE", default="", help="the agent's configuration (default: its own)"
    )
    parser.add_argument(
        "--agent", metavar="URL", default="", help="the agent's address (default: as configured)"
    )
    parser.add_argument(
        "--brain", metavar="URL", default="", help="the brain's address (default: as configured)"
    )
    parser.add_argument("--version", action="version", version=f"jobmend-doctor {VERSION}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
