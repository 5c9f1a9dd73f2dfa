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


def test_what_one_window_needed_is_there_for_the_next() -> None:
    code = (
        "import resource\n"
        "from jobmend.agent.memory import keep_for_the_next_window\n"
        "keep_for_the_next_window()\n"
        "def faults():\n"
        "    pieces = [bytearray(2**21) for _ in range(4)]\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "faults()\n"
        "before = faults()\n"
        "for _ in range(10):\n"
        "    after = faults()\n"
        "print(after - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.stderr == "" and int(done.stdout) < 100, "20,480 pages where each is got anew"
