"""The digest of a history: which data a model learned from, whatever file it came in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import astuple

from ..task import FailedTask


def digest(tasks: Iterable[FailedTask]) -> str:
    """SHA-256 (hex) of the tasks in their order: names, counts, features, times and decisions."""
    hasher = hashlib.sha256()
    for task in tasks:
        told = [
            task.name,
            sorted([code, site, status.value, n] for (code, site, status), n in task.cells.items()),
            sorted(task.features.items()),
            task.time,
            None if task.decision is None else astuple(task.decision),
            task.cause,
        ]
        hasher.update(json.dumps(told).encode() + b"\n")
    return hasher.hexdigest()
