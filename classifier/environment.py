"""Which Python and which libraries made a model and its figures."""

from __future__ import annotations

import importlib.metadata
import platform

# What a model's numbers depend on; XGBoost has two names.
LIBRARIES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "imbalanced-learn",
    "safetensors",
    "torch",
    "xgboost",
    "xgboost-cpu",
)


def environment() -> dict[str, str]:
    """Versions of Python and of those of :data:`LIBRARIES` that are installed, by name."""
    found = {"Python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
