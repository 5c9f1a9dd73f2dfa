"""Pictures of turns: whatever is known is drawn, and what is not is said."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

from jobmend.brain.learning.registry.pictures import picture
from jobmend.classifier.drift import Drift

HOSTILE = "$\\frac{1}{0}$<script>"


def size(drawn: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(drawn)) as opened:
        return opened.size


def test_a_turn_is_drawn_whatever_is_missing() -> None:
    rng = np.random.default_rng(0)
    losses, groups = rng.random(40), [f"g{n // 2}" for n in range(40)]
    losses[3] = math.nan
    told = [Drift(HOSTILE, 0.5, 0.4, 1e-4), Drift("nice", math.nan, 0.1, 0.5)]
    arms = {"pca": 0.2, HOSTILE: 0.3, "gone": None}
    whole = picture("traces", arms, groups, losses, losses - 0.1, told)
    assert size(whole)[0] > 800
    first = picture("traces", {"pca": 0.2}, [], None, None, [])
    nothing = picture("traces", {}, groups, losses * math.nan, losses, told)
    assert len({whole, first, nothing}) == 3
