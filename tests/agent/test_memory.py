from __future__ import annotations

import subprocess
import sys


def test_what_only_the_start_needs_is_unloaded_and_can_be_loaded_again() -> None:
    code = (
        "import argparse, sys\n"
        "from jobmend.agent.memory import forget_the_start, keep_small\n"
        "keep_small()\n"
        "del argparse\n"
        "forget_the_start()\n"
        "assert 'argparse' not in sys.modules\n"
        "import argparse\n"
        "print(argparse.ArgumentParser(prog='again').prog)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert (done.stdout, done.stderr) == ("again\n", "")
