"""The agent stays light: tests/house says what it may import, this what it must not load early."""

from __future__ import annotations

import subprocess
import sys


def test_nothing_heavy_of_the_standard_library_is_loaded_before_it_is_needed() -> None:
    code = (
        "import sys, jobmend.agent.daemon; print({'ssl', 'email', 'http.client'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.stdout == "set()\n"
