"""The bench of false alarms, very short: it keeps its contract."""

from __future__ import annotations

from tests.bench.running import told_by


def test_rates_and_the_law_are_told() -> None:
    told = told_by("false_alarms.py", "--seeds", "1", "--tested", "10", "--sizes", "9")
    assert told["synthetic"] is True
    (size,) = told["sizes"]
    assert size["calibrated"] == 9
    assert size["rates"]["job"]["percent"] == 0.0, "nine runs cannot raise an alarm at 1 %"
    assert set(told["two_lengths"]["rates"]) == {"all", "short", "long"}
    assert set(told["watched"]["rates"]) == {"once", "at each of 16 windows"}
    within = list(told["law"]["within"].values())
    assert within == sorted(within)
    assert told["law"]["for_95_percent"] == 1499
