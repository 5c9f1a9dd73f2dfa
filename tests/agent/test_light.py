"""The agent stays light: what it imports, and how much memory it takes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = {"jobmend", "psutil", "prometheus_client", "tomli"}
# 3.9 cannot name its standard library; a module is of it when its file lies there.
LIST_IMPORTED = """
import json, os, sys
before = set(sys.modules)
import jobmend.agent.daemon, jobmend.agent.__main__
home = os.path.dirname(os.__file__)
def foreign(module):
    file = getattr(module, "__file__", None)
    return file is not None and (not file.startswith(home) or "site-packages" in file)
new = set(sys.modules) - before
print(json.dumps(sorted({n.split(".")[0] for n in new if foreign(sys.modules[n])})))
"""


def imported_by(python: str) -> set[str]:
    done = subprocess.run(
        [python, "-c", LIST_IMPORTED], capture_output=True, text=True, check=True, cwd="/"
    )
    return set(json.loads(done.stdout))


def test_the_daemon_imports_the_standard_library_and_little_else() -> None:
    assert imported_by(sys.executable) <= ALLOWED


@pytest.mark.py39
def test_the_same_on_python_3_9() -> None:
    local = ROOT / ".venv39" / "bin" / "python"
    python = os.environ.get("JOBMEND_PY39") or (str(local) if local.exists() else None)
    python = python or shutil.which("python3.9")
    if python is None:
        pytest.skip("no Python 3.9: set JOBMEND_PY39 or put python3.9 on PATH")
    assert imported_by(python) <= ALLOWED


def test_nothing_heavy_of_the_standard_library_is_loaded_before_it_is_needed() -> None:
    code = (
        "import sys, jobmend.agent.daemon; print({'ssl', 'email', 'http.client'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.stdout == "set()\n"
