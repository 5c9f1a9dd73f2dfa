"""What etc/slurm ships: the hook's shell script never fails, whatever is missing."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

SHIPPED = Path(__file__).parents[3] / "etc" / "slurm"


@pytest.mark.parametrize("program", ["/nonexistent", "/bin/false", "PRINTS", "HANGS"])
def test_the_script_exits_0_in_silence(program: str, tmp_path: Path) -> None:
    scripts = {"PRINTS": "#!/bin/sh\necho x; echo x >&2; exit 7\n", "HANGS": "#!/bin/sh\nread x\n"}
    if program in scripts:
        path = tmp_path / "program"
        path.write_text(scripts[program].replace("read x", "exec sleep 30"))
        path.chmod(0o755)
        program = str(path)
    script = tmp_path / "jobmend-hook"
    text = (SHIPPED / "jobmend-hook").read_text()
    script.write_text(text.replace("HOOK=/usr/bin/jobmend-slurm-hook", f"HOOK={program}"))
    assert f"HOOK={program}\n" in script.read_text()
    script.chmod(0o755)
    started = time.monotonic()
    done = subprocess.run([script], env={}, capture_output=True, timeout=10)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert time.monotonic() - started < 3


def test_each_setting_of_the_example_is_explained() -> None:
    blocks = (SHIPPED / "jobmend.conf.example").read_text().strip().split("\n\n")
    for block in blocks[1:]:
        *comments, setting = block.splitlines()
        assert comments and all(line.startswith("# ") for line in comments), block
        assert "=" in setting and not setting.startswith("#"), block
