"""A real Prometheus on the configuration that is shipped, and questions to it."""

from __future__ import annotations

import json
import math
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import servers

SHIPPED = Path(__file__).parents[3] / "etc" / "prometheus"


class Prometheus:
    """One that runs."""

    def __init__(self, address: str) -> None:
        self.url = f"{address}/api/v1"

    def _ask(self, path: str, **given: object) -> Any:
        query = urllib.parse.urlencode(given, doseq=True)
        try:
            with urllib.request.urlopen(f"{self.url}/{path}?{query}", timeout=60) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{given}: {error.read().decode()}") from error

    def now(self, expr: str) -> list[Any]:
        """The series with a number, at this moment."""
        found = self._ask("query", query=expr)["result"]
        return [one for one in found if math.isfinite(float(one["value"][1]))]

    def over(self, expr: str, seconds: int = 60) -> list[Any]:
        """The series with a number, in the last seconds."""
        end = time.time()
        found = self._ask("query_range", query=expr, start=end - seconds, end=end, step=2)["result"]
        return [
            one for one in found if any(math.isfinite(float(number)) for _, number in one["values"])
        ]

    def values(self, label: str, selector: str) -> list[str]:
        """The values of a label among the series of a selector, as Grafana's label_values has."""
        found: list[str] = self._ask(f"label/{label}/values", **{"match[]": selector})
        return found

    def rules(self) -> list[Any]:
        """Recording and alert rules, as their last evaluation went."""
        return [rule for group in self._ask("rules")["groups"] for rule in group["rules"]]


@contextmanager
def prometheus(folder: Path, agent: str, brain: str) -> Iterator[Prometheus]:
    """It reads an agent of cluster c1 and a brain, each host:port, every second."""
    config = folder / "prometheus"
    shutil.copytree(SHIPPED, config)
    (config / "jobmend-agents.yml").write_text(
        f"- targets: ['{agent}']\n  labels: {{cluster: c1}}\n"
    )
    shipped = (config / "prometheus.yml").read_text()
    quick = shipped.replace("_interval: 15s", "_interval: 1s").replace("127.0.0.1:8807", brain)
    (config / "prometheus.yml").write_text(quick)
    with servers.prometheus(config / "prometheus.yml", folder) as url:
        yield Prometheus(url)
