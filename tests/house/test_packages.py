"""The wheel holds every package, and the layout's traps stay closed."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Checked-out folders that are no part of the package.
OUTSIDE = {"tests", "bench", "docs", "etc", "packaging", "build", "dist"}


def packages_listed() -> set[str]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return set(config["options"]["packages"].split())


def packages_found() -> set[str]:
    found = {"jobmend"}
    for init in ROOT.rglob("__init__.py"):
        parts = init.parent.relative_to(ROOT).parts
        if parts and parts[0] not in OUTSIDE and not parts[0].startswith("."):
            found.add(".".join(("jobmend", *parts)))
    return found


def test_every_package_is_listed() -> None:
    assert packages_listed() == packages_found()


def test_the_root_holds_no_other_module() -> None:
    assert [path.name for path in ROOT.glob("*.py")] == ["__init__.py"]


def test_no_package_shadows_pypi_packaging_and_tests_are_no_package() -> None:
    assert not (ROOT / "packaging" / "__init__.py").exists()
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_every_top_level_package_has_its_link_for_type_checkers() -> None:
    tops = {name.split(".")[1] for name in packages_listed() if name.count(".") == 1}
    links = {path.name for path in (ROOT / ".view" / "jobmend").iterdir() if path.is_dir()}
    assert links == tops


def test_a_wheel_holds_every_package_and_template(tmp_path: Path) -> None:
    tree = tmp_path / "tree"  # a build leaves its traces in the tree it builds
    leave_out = shutil.ignore_patterns(".git", ".venv*", "build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, tree, symlinks=True, ignore=leave_out)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, tree],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    for package in packages_listed():
        folder = ROOT.joinpath(*package.split(".")[1:])
        for source in folder.glob("*.py"):
            assert f"{package.replace('.', '/')}/{source.name}" in held
    for template in (ROOT / "brain" / "panel" / "templates").iterdir():
        assert f"jobmend/brain/panel/templates/{template.name}" in held
    assert "jobmend/py.typed" in held
    assert not [name for name in held if name.startswith(("tests/", "bench/", "jobmend/tests/"))]
