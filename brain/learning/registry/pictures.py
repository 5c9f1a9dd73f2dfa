"""A turn as a picture: the loss of each arm, champion against challenger, drift of the data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....classifier.drift import Drift
from ....classifier.failures.reporting.plots_style import canvas, colour, png, remark, words
from ..subject import Numbers

MOST = 12  # features that are drawn
LARGE = 0.25  # population stability index from which on a shift is called large


def picture(
    subject: str,
    validation: Mapping[str, float | None],
    groups: Sequence[str],
    champion: Numbers | None,
    challenger: Numbers | None,
    drifts: Sequence[Drift],
) -> bytes:
    """The picture as PNG.

    ``champion`` and ``challenger`` are ``[examples]``, losses on the same examples, whose groups
    are ``groups``; None where there was nobody to compare.
    """
    figure, axes = canvas(f"A turn of learning: {subject}", synthetic=False, shape=(1, 3))
    _arms(axes.flat[0], {arm: loss for arm, loss in validation.items() if loss is not None})
    _paired(axes.flat[1], groups, champion, challenger)
    _drifts(axes.flat[2], [one for one in drifts if not math.isnan(one.psi)][:MOST])
    return png(figure)


def _arms(axis: Any, losses: Mapping[str, float]) -> None:
    axis.set_title("loss on validation", fontsize=10)
    if not losses:
        return remark(axis, "no arm was judged")
    ordered = sorted(losses, key=lambda arm: -losses[arm])
    axis.barh([words(arm) for arm in ordered], [losses[arm] for arm in ordered], color=colour(0))
    return None


def _paired(
    axis: Any, groups: Sequence[str], champion: Numbers | None, challenger: Numbers | None
) -> None:
    axis.set_title("loss by run or workflow", fontsize=10)
    if champion is None or challenger is None:
        return remark(axis, "nobody to compare with")
    known = np.isfinite(champion) & np.isfinite(challenger)
    if not known.any():
        return remark(axis, "nothing both could judge")
    _, places = np.unique(np.array(groups, dtype=object)[known], return_inverse=True)
    sizes = np.bincount(places)
    ours = np.bincount(places, weights=champion[known]) / sizes
    theirs = np.bincount(places, weights=challenger[known]) / sizes
    most = float(max(ours.max(), theirs.max(), 1e-9))
    axis.plot([0, most], [0, most], color=colour(7), lw=0.8)
    axis.plot(ours, theirs, "o", ms=3, alpha=0.6, color=colour(0))
    axis.set_xlabel("champion")
    axis.set_ylabel("challenger: below the line it is better", fontsize=9)
    return None


def _drifts(axis: Any, drifts: Sequence[Drift]) -> None:
    axis.set_title("drift (PSI)", fontsize=10)
    if not drifts:
        return remark(axis, "nothing to compare with")
    ordered = sorted(drifts, key=lambda one: one.psi)
    shades = [colour(1) if one.drifted else colour(0) for one in ordered]
    axis.barh(
        [words(one.feature, 22) for one in ordered], [one.psi for one in ordered], color=shades
    )
    axis.axvline(LARGE, color=colour(7), lw=0.8)
    return None
