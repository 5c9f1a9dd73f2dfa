"""Which code made a model: what its lineage says of it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from ....jobs.version import VERSION

_ROOT = Path(__file__).parents[3]
_FOLDERS = ("jobs", "classifier", "brain/learning")


@cache
def code() -> str:
    """Version of jobmend and a digest of the sources that learn, such as ``0.1.0+3f2a...``.

    Two models of one code differ by data, parameters and libraries alone.
    """
    hasher = hashlib.sha256()
    for folder in _FOLDERS:
        for path in sorted(_ROOT.joinpath(folder).rglob("*.py")):
            hasher.update(f"{path.relative_to(_ROOT)}\0".encode())
            hasher.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{VERSION}+{hasher.hexdigest()[:16]}"
