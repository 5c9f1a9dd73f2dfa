"""Which code and which libraries made a model: what its lineage says of them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from functools import cache
from pathlib import Path

from ....jobs.version import VERSION

# What a model's numbers depend on.
LIBRARIES = ("numpy", "safetensors", "scikit-learn", "scipy", "torch", "xgboost", "xgboost-cpu")
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


def environment() -> dict[str, str]:
    """Versions of Python and of the libraries that are installed."""
    found = {"Python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # one of the two names of XGBoost
    return found
