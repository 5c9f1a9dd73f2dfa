"""The table of `make bench` leaves no bench out unsaid, and its options are the benches' own."""

from __future__ import annotations

import re
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench"
LINES = (BENCH / "quick").read_text().splitlines()
RUN = [line.split() for line in LINES if not line.startswith("#")]


def test_every_bench_is_run_or_named_with_a_reason() -> None:
    told = " ".join(line for line in LINES if line.startswith("#"))
    left_out = set(re.findall(r"\b(\w+\.py)\b", told))
    run = [name for name, *_ in RUN]
    assert run == sorted(set(run)) and not left_out & set(run)
    assert left_out | set(run) == {path.name for path in BENCH.glob("*.py")}


def test_every_option_is_one_of_the_bench() -> None:
    for name, *options in RUN:
        source = (BENCH / name).read_text()
        for option in options:
            assert not option.startswith("--") or f'"{option}"' in source, (name, option)
