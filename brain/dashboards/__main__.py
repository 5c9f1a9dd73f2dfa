"""``python -m jobmend.brain.dashboards DIRECTORY``: writes the dashboards as Grafana's JSON."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .catalogue import DASHBOARDS


def main(argv: list[str] | None = None) -> int:
    """Write one file for each dashboard; 1 where the generator's library is not installed."""
    parser = argparse.ArgumentParser(
        prog="python -m jobmend.brain.dashboards", description="Write Grafana dashboards."
    )
    parser.add_argument("directory", type=Path, help="where jobmend-*.json are written")
    directory = parser.parse_args(argv).directory
    try:
        from .grafana import as_json
    except ImportError as error:
        print(f"dashboards: {error}; install jobmend[test]", file=sys.stderr)
        return 1
    directory.mkdir(parents=True, exist_ok=True)
    for dashboard in DASHBOARDS:
        path = directory / f"jobmend-{dashboard.name}.json"
        path.write_text(as_json(dashboard), encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
