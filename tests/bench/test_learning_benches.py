"""The benches of the learning loop, very short: they keep their contract."""

from __future__ import annotations

from pathlib import Path

from tests.bench.running import told_by


def test_a_turn_is_measured_step_by_step() -> None:
    told = told_by("learning_turn.py", "--quick")
    assert told["synthetic"] and told["nodes"] == 20 and told["within"]
    assert told["rss_mb"] > told["rss_mb_before"] > 0 < told["first"]["seconds"]
    assert min(told["archive_mb"], told["store_mb"], told["models_mb"]) > 0
    assert set(told["subjects"]) == {"traces", "failures"}
    for one in told["subjects"].values():
        assert one["state"] not in ("failed", "quarantined"), one["why"]
        assert {"gather", "vet", "evaluate"} <= set(one["seconds"])


def test_cadences_are_compared_over_seeds() -> None:
    told = told_by("studies/cadence.py", "--quick", "--seeds", "2", "--failures", "majority")
    assert told["synthetic"] and told["seeds"] == 2
    for subject in told["subjects"].values():
        assert list(subject) == ["never", "weekly", "daily", "hourly"]
        assert subject["hourly"]["age_days"] < subject["daily"]["age_days"]
        mean, low, high = subject["daily"]["error"]
        assert low <= mean <= high


def test_simulations_are_summed_up_even_where_nothing_was_learned(tmp_path: Path) -> None:
    told = told_by("learning_simulation.py", "--seeds", "1", "--days", "2", "--out", str(tmp_path))
    assert told["synthetic"] and told["days"] == 2
    assert set(told["subjects"]) == {"traces", "failures"}
    assert {path.name for path in tmp_path.iterdir()} == {"seed-0.svg", "seed-0.png"}
