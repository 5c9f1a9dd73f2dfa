"""The lock of turns: one holder, named as far as it can be read, and free as soon as it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jobmend.brain.learning.lock import Busy, held

HOLDER = """
import sys, time
from pathlib import Path
from jobmend.brain.learning.lock import held
with held(Path(sys.argv[1]), 1000.0):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "learning" / "lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        words = rf"since 1970-01-01 00:16:40 UTC \(process {holder.pid}\)"
        with pytest.raises(Busy, match=words), held(path, 0.0):
            pass
        holder.kill()
    with held(path, 0.0):
        pass


@given(st.binary(max_size=100))
@example(b"[" * 2000)
@example(b'{"pid": 1e999, "since": 1}')
@example(b'{"pid": 1, "since": 1e300}')
def test_whatever_stands_in_it(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("lock") / "lock"
    with held(path, 0.0):
        path.write_bytes(data)
        with pytest.raises(Busy, match="another turn runs"), held(path, 0.0):
            pass
