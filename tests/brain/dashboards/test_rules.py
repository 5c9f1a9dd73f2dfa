"""promtool's word on the rules, and every alert with its test and its cure."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
PROMETHEUS = ROOT / "etc" / "prometheus"
DOC = ROOT / "docs" / "dashboards.md"
SEVERITIES = {"info", "warning", "critical"}


def read(name: str) -> Any:
    return yaml.safe_load((PROMETHEUS / name).read_text())


def alerts() -> list[Any]:
    return [rule for group in read("jobmend-alerts.yml")["groups"] for rule in group["rules"]]


@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "jobmend-rules.yml", "jobmend-alerts.yml"),
        ("test", "rules", "jobmend-rules.test.yml"),
        ("test", "rules", "jobmend-alerts.test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_finds_nothing(words: tuple[str, ...]) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not on PATH (Debian package prometheus)")
    done = subprocess.run(["promtool", *words], cwd=PROMETHEUS, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_silent_and_firing() -> None:
    expected: dict[str, set[bool]] = {}
    for test in read("jobmend-alerts.test.yml")["tests"]:
        for one in test["alert_rule_test"]:
            expected.setdefault(one["alertname"], set()).add(bool(one["exp_alerts"]))
    assert expected == {rule["alert"]: {True, False} for rule in alerts()}


def test_every_recorded_series_is_tested() -> None:
    recorded = {
        rule["record"] for group in read("jobmend-rules.yml")["groups"] for rule in group["rules"]
    }
    tests = read("jobmend-rules.test.yml")["tests"]
    assert recorded == {one["expr"] for test in tests for one in test["promql_expr_test"]}
    assert all(len(name.split(":")) == 3 for name in recorded)


def test_every_alert_says_what_it_is_and_has_its_cure() -> None:
    headings = re.findall(r"^### (\w+)$", DOC.read_text(), re.M)
    assert headings == [rule["alert"] for rule in alerts()]
    for rule in alerts():
        assert rule["labels"]["severity"] in SEVERITIES
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}
        assert rule["annotations"]["runbook"] == f"docs/dashboards.md#{rule['alert'].lower()}"
        assert rule["alert"].startswith("Jobmend")
