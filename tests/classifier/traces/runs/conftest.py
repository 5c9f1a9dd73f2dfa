"""Small synthetic tables of finished runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

MakeColumns = Callable[..., dict[str, list[Any]]]
WriteTable = Callable[..., Path]


@pytest.fixture
def make_columns() -> MakeColumns:
    """Synthetic: workflows of two task types; in each third workflow some tasks are slowed."""

    def make(workflows: int = 30, tasks: int = 20, seed: int = 0) -> dict[str, list[Any]]:
        rng = np.random.default_rng(seed)
        rows = workflows * tasks
        flow = np.repeat(np.arange(workflows), tasks)
        big = np.tile(np.arange(tasks) % 2 == 0, workflows)
        size = np.where(big, 1e8, 1e6) * rng.lognormal(0, 0.3, rows)
        runtime = size / 1e5 * rng.lognormal(0, 0.1, rows) + 1
        faulty = (flow % 3 == 0) & (rng.random(rows) < 0.4)
        runtime[faulty] *= rng.uniform(1.5, 3.0, faulty.sum())
        begun = 1.7e9 + np.cumsum(rng.integers(1, 9, rows))
        return {
            "task": np.where(big, "big", "small").tolist(),
            "flow": [f"flow-{one}" for one in flow],
            "fault": ["slow" if one else None for one in faulty],
            "bytes": size.tolist(),
            "runtime": runtime.tolist(),
            "begun": begun.tolist(),
            "ended": (begun + runtime).tolist(),
            "waited": rng.lognormal(1, 1, rows).tolist(),
        }

    return make


@pytest.fixture
def write_table(tmp_path: Path) -> WriteTable:
    """Columns as a Parquet file."""

    def write(columns: dict[str, Any], name: str = "table.parquet") -> Path:
        path = tmp_path / name
        pq.write_table(pa.table(columns), path)
        return path

    return write
