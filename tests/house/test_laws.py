"""The laws of the folders that import-linter cannot see."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Not yaml and bcrypt: the endpoint loads them when a web configuration file is named, not before.
ALLOWED = {"jobmend", "psutil", "prometheus_client", "tomli"}
LIST_IMPORTED = """
import json, sys
before = set(sys.modules)
import importlib, pkgutil, jobmend
for top in ("jobs", "exporter", "plugins", "agent"):
    package = importlib.import_module(f"jobmend.{top}")
    for found in pkgutil.walk_packages(package.__path__, f"jobmend.{top}."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
print(json.dumps(sorted({name.split(".")[0] for name in set(sys.modules) - before})))
"""
# sys.stdlib_module_names came with 3.10; under 3.9 the list of the running Python serves.
STDLIB = set(sys.stdlib_module_names)


def imported_by(python: str) -> set[str]:
    done = subprocess.run(
        [python, "-c", LIST_IMPORTED], capture_output=True, text=True, check=True, cwd="/"
    )
    return set(json.loads(done.stdout))


def third_party(names: set[str]) -> set[str]:
    private = {name for name in names if name.startswith(("_", "__editable__"))}
    return names - STDLIB - private - ALLOWED


def test_the_node_side_imports_stdlib_psutil_and_prometheus_client_alone() -> None:
    assert third_party(imported_by(sys.executable)) == set()


@pytest.mark.py39
def test_the_same_on_python_3_9() -> None:
    local = ROOT / ".venv39" / "bin" / "python"
    if not local.exists():
        pytest.skip("no .venv39: make test builds it where there is a Python 3.9")
    assert third_party(imported_by(str(local))) == set()
