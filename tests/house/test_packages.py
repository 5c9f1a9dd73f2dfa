"""The wheel holds every package, and the layout's traps stay closed."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, unpacked: what an installation without the repository has."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"  # a build leaves its traces in the tree it builds
    # What tools keep for themselves may change meanwhile.
    kept = (".git", ".venv*", ".hypothesis", ".*_cache", "build", "*.egg-info", "__pycache__")
    leave_out = shutil.ignore_patterns(*kept)
    shutil.copytree(ROOT, tree, symlinks=True, ignore=leave_out)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, tree],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    zipfile.ZipFile(built).extractall(folder / "site")
    return folder / "site"


def test_a_wheel_holds_the_packages_with_all_their_files_and_nothing_else(wheel: Path) -> None:
    held = {str(path.relative_to(wheel)) for path in wheel.rglob("*") if path.is_file()}
    ours = {name for name in held if ".dist-info/" not in name}
    tops = {name.split(".")[1] for name in packages_listed() if name.count(".") == 1}
    files = [path for top in tops for path in (ROOT / top).rglob("*") if path.is_file()]
    wanted = {
        f"jobmend/{path.relative_to(ROOT)}" for path in files if "__pycache__" not in path.parts
    }
    assert ours == wanted | {"jobmend/__init__.py", "jobmend/py.typed"}
    assert any(name.endswith("/licenses/LICENSE") for name in held - ours)


def ran(wheel: Path, start: str, *words: str, options: str = "-I") -> tuple[int, str, str]:
    """What a start (``module:function``) of the unpacked wheel says; status, output, errors."""
    module, _, function = start.partition(":")
    program = (
        f"import sys; sys.path.insert(0, {str(wheel)!r}); sys.argv[0] = 'x'; "
        f"from {module} import {function}; import jobmend; "
        f"assert jobmend.__file__.startswith({str(wheel)!r}); sys.exit({function}())"
    )
    command = [sys.executable, *options.split(), "-c", program, *words]
    apart = {"PATH": "/usr/bin:/bin", "JOBMEND_HOOK_SOCKET": "/nonexistent"}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd="/", env=apart, stdin=subprocess.DEVNULL
    )
    return done.returncode, done.stdout, done.stderr


def starts(wheel: Path) -> dict[str, str]:
    config = configparser.ConfigParser()
    (path,) = wheel.glob("*.dist-info/entry_points.txt")
    config.read(path)
    return dict(config["console_scripts"])


def test_the_programs_of_a_wheel_run_without_the_repository(wheel: Path, tmp_path: Path) -> None:
    for program, start in starts(wheel).items():
        code, said, wrong = ran(wheel, start, *([] if "condor" in program else ["--help"]))
        assert (code, wrong) == (0, ""), program
        assert said or program.endswith(("-hook", "-node"))
    code, page, wrong = ran(wheel, starts(wheel)["jobmend-agent"], "--once")
    assert code == 0 and "\njobmend_thread_" in page, wrong
    pages = tmp_path / "grafana"
    code, _, wrong = ran(wheel, "jobmend.brain.dashboards.__main__:main", str(pages))
    assert code == 0, wrong
    shipped = ROOT / "etc/grafana/dashboards"
    assert {path.name: path.read_text() for path in pages.iterdir()} == {
        path.name: path.read_text() for path in shipped.iterdir()
    }


def test_a_plain_installation_says_what_the_brain_needs(wheel: Path) -> None:
    for program in ("jobmend", "jobmend-brain"):
        code, _, wrong = ran(wheel, starts(wheel)[program], "--help", options="-I -S")
        assert code == 2 and wrong.count("\n") == 1
        assert wrong.startswith(f"{program}: ") and "pip install 'jobmend[brain]'" in wrong
