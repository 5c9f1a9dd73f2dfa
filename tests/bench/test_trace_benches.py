"""The benches of trace models, very short: they keep their contract."""

from __future__ import annotations

import pytest

from tests.bench.running import told_by


def test_the_graph_layer_and_its_peer_say_the_same() -> None:
    pytest.importorskip("torch_geometric", reason="torch-geometric is not here")
    told = told_by("graph_layer.py", "--rounds", "2", "--sizes", "2")
    assert [(row["graphs"], row["threads"]) for row in told["layers"]] == [(1, 2), (1, 16)]
    for row in told["layers"]:
        assert row["difference"] < 1e-5
        assert row["gradient_difference"] < 1e-4
        for part in ("layer", "autoencoder"):
            assert min(row[part].values()) > 0
    assert len(told["by_size"]) == 4


def test_training_is_measured_beside_the_plain_loop() -> None:
    models = ("variational-graph", "pca")
    told = told_by("trace_training.py", "--windows", "8", "--rounds", "1", "--models", *models)
    assert set(told["training"]) == set(told["ensemble"]) == {"variational-graph"}
    assert set(told["scoring"]) == set(models)
    row = told["training"]["variational-graph"]
    assert 0 < row["idle_rss_mb"] <= row["rss_mb"] + 10
    assert min(row["ratio"], row["windows_per_second"], row["plain_windows_per_second"]) > 0
