"""The laws of the folders that import-linter cannot see."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
# Not yaml and bcrypt: the endpoint loads them when a web configuration file is named, not before.
ALLOWED = {"jobmend", "psutil", "prometheus_client", "tomli"}
# Of HTCondor's bindings: what imports them is the brain's part of the plugin, on Python 3.11.
BINDINGS = ("htcondor2", "classad2")
LIST_IMPORTED = """
import json, sys
before, of_the_brain = set(sys.modules), sys.argv[1:]
import importlib, pkgutil, jobmend
for top in ("jobs", "exporter", "plugins", "agent"):
    package = importlib.import_module(f"jobmend.{top}")
    for found in pkgutil.walk_packages(package.__path__, f"jobmend.{top}."):
        if not found.name.endswith("__main__") and found.name not in of_the_brain:
            importlib.import_module(found.name)
print(json.dumps(sorted({name.split(".")[0] for name in set(sys.modules) - before})))
"""
# sys.stdlib_module_names came with 3.10; under 3.9 the list of the running Python serves.
STDLIB = set(sys.stdlib_module_names)


@pytest.fixture(scope="module")
def of_the_brain() -> set[str]:
    """The modules that import the bindings, by themselves or through others."""
    graph = grimp.build_graph("jobmend", include_external_packages=True)
    found: set[str] = set()
    for binding in BINDINGS:
        found |= graph.find_downstream_modules(binding)
    return found


@pytest.fixture(scope="module")
def of_the_scorer() -> set[str]:
    """The modules of the agent's scorer, a process of its own, that execute models with NumPy."""
    graph = grimp.build_graph("jobmend", include_external_packages=True)
    found = graph.find_downstream_modules("numpy")
    return {name for name in found if name.startswith("jobmend.agent.")}


def test_numpy_is_known_to_the_scorer_alone(of_the_scorer: set[str]) -> None:
    assert {".".join(name.split(".")[:3]) for name in of_the_scorer} == {"jobmend.agent.scorer"}


def imported_by(python: str, without: set[str]) -> set[str]:
    argv = [python, "-c", LIST_IMPORTED, *sorted(without)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd="/")
    return set(json.loads(done.stdout))


def third_party(names: set[str]) -> set[str]:
    private = {name for name in names if name.startswith(("_", "__editable__"))}
    return names - STDLIB - private - ALLOWED


def test_the_bindings_are_known_to_the_brain_and_its_part_of_the_plugin(
    of_the_brain: set[str],
) -> None:
    homes = {".".join(name.split(".")[:3]) for name in of_the_brain}
    assert {home for home in homes if not home.startswith("jobmend.brain")} == {
        "jobmend.plugins.htcondor"
    }


def test_the_node_side_imports_stdlib_psutil_and_prometheus_client_alone(
    of_the_brain: set[str], of_the_scorer: set[str]
) -> None:
    without = of_the_brain | of_the_scorer
    assert third_party(imported_by(sys.executable, without)) == set()


@pytest.mark.py39
def test_the_same_on_python_3_9(of_the_brain: set[str], of_the_scorer: set[str]) -> None:
    local = ROOT / ".venv39" / "bin" / "python"
    if not local.exists():
        pytest.skip("no .venv39: make test builds it where there is a Python 3.9")
    assert third_party(imported_by(str(local), of_the_brain | of_the_scorer)) == set()
