"""The parameters of a model: what its constructor keeps; what it learns ends in ``_``."""

from __future__ import annotations

from typing import Any


class Parametrised:
    """What is made with parameters alone, and tells them."""

    def get_params(self) -> dict[str, Any]:
        """What it was made with, by name, as JSON values: its attributes that nobody learned."""
        kept = {name: value for name, value in vars(self).items() if not name.endswith("_")}
        return {name: list(v) if isinstance(v, tuple) else v for name, v in kept.items()}
