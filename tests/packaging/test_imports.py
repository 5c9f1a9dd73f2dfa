"""What the installed programs of a node can ever import is what docs/install.md says it needs."""

from __future__ import annotations

import ast
import configparser
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.packaging.conftest import ROOT, Needed

# Distribution packages by the module that is imported.
PACKAGES = {
    "psutil": "python3-psutil",
    "tomli": "python3-tomli",
    "yaml": "python3-pyyaml",
    "bcrypt": "python3-bcrypt",
}
NODE = ("jobmend.agent", "jobmend.plugins")


def programs() -> set[str]:
    """The modules that a node's launchers start."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    scripts = config["options.entry_points"]["console_scripts"].strip().splitlines()
    modules = {line.partition("=")[2].partition(":")[0].strip() for line in scripts}
    return {name for name in modules if name.startswith(NODE)}


def source(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split(".")[1:])
    found = [path / "__init__.py", path.with_suffix(".py")]
    return next((one for one in found if one.is_file()), None)


def imported(module: str) -> Iterator[str]:
    """Every module that a module names in an import, wherever in it that stands."""
    path = source(module)
    assert path is not None, module
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def reached(starts: set[str]) -> tuple[set[str], set[str]]:
    """Our modules that can be reached from some, and the names of others' they import."""
    ours: set[str] = set()
    others: set[str] = set()
    waiting = set(starts)
    while waiting:
        module = waiting.pop()
        ours.add(module)
        parents = module.split(".")
        found = {".".join(parents[:n]) for n in range(1, len(parents))} | set(imported(module))
        for name in found:
            if name.partition(".")[0] != "jobmend":
                others.add(name.partition(".")[0])
            elif source(name) is not None and name not in ours:
                waiting.add(name)
    return ours, others - set(sys.stdlib_module_names)


def test_a_node_needs_what_the_page_lists(needed: dict[str, Needed]) -> None:
    ours, others = reached(programs())
    assert {"jobmend.agent.sampler", "jobmend.plugins.slurm.cgroups"} <= ours
    assert not {name for name in ours if name.startswith(("jobmend.brain", "jobmend.classifier"))}
    assert others <= set(PACKAGES)
    assert {PACKAGES[name] for name in others} <= set(needed)


def test_what_the_page_lists_is_imported_by_what_is_installed(needed: dict[str, Needed]) -> None:
    files = [path for folder in ("agent", "exporter", "plugins") for path in sources(folder)]
    modules = {f"jobmend.{'.'.join(path.with_suffix('').parts)}" for path in files}
    there = {name.partition(".")[0] for module in modules for name in imported(module)}
    wanted = {name for name in needed if name.startswith("python3-")}
    assert wanted <= {PACKAGES[name] for name in there & set(PACKAGES)}


def sources(folder: str) -> list[Path]:
    found = [path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.py")]
    return [path for path in found if path.name != "__init__.py"]
