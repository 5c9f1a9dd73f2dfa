"""What etc/slurm ships: the hook's shell script never fails, whatever is missing."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmend.jobs.events import EventKind
from tests.plugins.slurm.changing import configured

if TYPE_CHECKING:
    from tests.plugins.slurm.conftest import Cluster

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
    taken = []
    for _ in range(3):  # a busy machine may add to one of them
        started = time.monotonic()
        done = subprocess.run([script], env={}, capture_output=True, timeout=60)
        taken.append(time.monotonic() - started)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert min(taken) < 3


@pytest.mark.parametrize("name", ["jobmend.conf.example", "jobmend-controller.conf.example"])
def test_each_setting_of_the_examples_is_explained(name: str) -> None:
    blocks = (SHIPPED / name).read_text().strip().split("\n\n")
    for block in blocks[1:]:
        *comments, setting = block.splitlines()
        assert comments and all(line.startswith("# ") for line in comments), block
        assert "=" in setting and not setting.startswith("#"), block


@pytest.mark.parametrize("name", ["prolog.d/90-jobmend", "epilog.d/10-jobmend"])
def test_the_drop_ins_are_the_hook_itself(name: str) -> None:
    assert (SHIPPED / name).samefile(SHIPPED / "jobmend-hook")
    assert os.access(SHIPPED / name, os.X_OK)


@pytest.mark.slurm
def test_slurm_runs_the_drop_ins_of_a_folder(slurm: Cluster) -> None:
    hook = slurm.hooks.path.with_name("jobmend-hook")
    for drop_in in ("prolog.d/90-jobmend", "epilog.d/10-jobmend"):
        link = hook.parent / drop_in
        link.parent.mkdir()
        link.symlink_to(f"../{hook.name}")

    def in_folders(text: str) -> str:
        for name in ("Prolog", "Epilog"):
            text = text.replace(f"\n{name}={hook}", f"\n{name}={hook.parent}/{name.lower()}.d/*")
        return text

    with configured(slurm, in_folders):
        assert "prolog.d/*" in slurm.run("scontrol", "show", "config")
        job_id = slurm.submit("exit 0")
        slurm.wait(job_id, "COMPLETED")
        deadline = time.monotonic() + 60
        while len(events := slurm.hooks.events(job_id)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert [event.kind for event in events] == [EventKind.START, EventKind.END]
