"""The recorder on the testbed's Slurm: what hangs is ended, and nothing stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jobmend.classifier.traces.dataset import read

BENCH = Path(__file__).parents[2] / "bench"


@pytest.mark.slurm
@pytest.mark.skipif(os.geteuid() != 0, reason="not root: the testbed's Slurm needs it")
@pytest.mark.skipif(not Path("/etc/debian_version").exists(), reason="the testbed needs Debian")
def test_a_hang_is_recorded_on_slurm(tmp_path: Path) -> None:
    words = ["--slurm", "--out", str(tmp_path), "--faults", "hang", "--repeats", "1"]
    words += ["--seconds", "12", "--steps", "16", "--minutes", "0.27", "--seed", "2"]
    process = subprocess.Popen(
        [sys.executable, BENCH / "record.py", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    told, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert json.loads(told.splitlines()[-1])["missing"] == []
    recorded = read(tmp_path)
    assert recorded and {one.fault for one in recorded} == {"hang"}
    for one in recorded:
        values = np.frombuffer(one.window.values, np.float32).reshape(one.window.shape)
        assert np.isnan(values[..., 7:]).all()  # cgroup v1 of Slurm has no pressure
        assert np.isfinite(values[..., 6]).all()
    assert not list(Path("/sys/fs/cgroup").glob(f"*/jobmend_r{process.pid}"))
