"""The architecture page says what the imports are."""

from __future__ import annotations

import ast
import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("agent", "brain", "classifier", "exporter", "jobs", "plugins")


def imported_packages(source: Path) -> set[str]:
    """The top-level packages of ours that a file imports, by its relative imports."""
    here = source.relative_to(ROOT).parts[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = here[: len(here) - node.level + 1]
            target = (*base, *(node.module or "").split("."))
            names = [target[0]] if target[0] else [alias.name for alias in node.names]
            found.update(name for name in names if name in PACKAGES)
    return found


def test_the_table_names_the_imports_there_are() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = dict(re.findall(r"^\| `jobmend\.(\w+)` \| ([^|]+) \|", page, re.M))
    assert set(rows) == set(PACKAGES)
    for package in PACKAGES:
        allowed = set(re.findall(r"`(\w+)`", rows[package]))
        used = set()
        for source in (ROOT / package).rglob("*.py"):
            used |= imported_packages(source)
        assert used - {package} == allowed, package


def test_every_room_has_a_row() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`([\w/]+)/`", page))
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    for package in config["options"]["packages"].split():
        _, *parts = package.split(".")
        if len(parts) > 1:
            assert named & {"/".join(parts), "/".join(parts[1:])}, package
