"""The report's sections about what a tree arm looks at and about tuning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..arms.boosted import BoostedArm
from ..evaluation.splits import Indices
from ..task import FailedTask
from . import plots_models, plots_style
from .inspection import Looks, dependence, look
from .report import Picture, Section

if TYPE_CHECKING:
    from ..evaluation.tuning import Tuned

MEASURE = "log-loss (nats)"
PANELS = 6  # of partial dependence
CONTRIBUTIONS_OF = 2  # classes, the commonest


def looks_section(
    arm: BoostedArm,
    tasks: Sequence[FailedTask],
    labels: Indices,
    classes: Sequence[str],
    paragraphs: Sequence[str] = (),
    *,
    synthetic: bool,
) -> Section:
    """Contributions for the commonest classes, and partial dependence on the strongest columns."""
    looks = look(arm, tasks)
    counts = np.bincount(labels, minlength=len(classes))
    commonest = [classes[int(n)] for n in np.argsort(-counts, kind="stable")[:CONTRIBUTIONS_OF]]
    pictures = [
        _contributions(looks, word, place, synthetic) for place, word in enumerate(commonest, 1)
    ]
    panels = dependence(arm, tasks, [int(one) for one in looks.strongest[:PANELS]])
    figure = plots_models.partial_dependence(panels, arm.classes_, synthetic=synthetic)
    text = "Mean probability of each class when one column is set, the others as they are."
    pictures.append(Picture("partial-dependence", text, plots_style.png(figure)))
    return Section("looks", "What speaks for what", paragraphs, pictures=pictures)


def _contributions(looks: Looks, word: str, place: int, synthetic: bool) -> Picture:
    number = looks.classes.index(word)
    weights = looks.weights[:, number]
    figure = plots_models.contributions(
        weights, looks.values, looks.names, word, synthetic=synthetic
    )
    text = f"Columns that speak for (right) or against (left) {word}, the strongest first."
    return Picture(f"contributions-{place}", text, plots_style.png(figure))


def tuning_section(tuned: Tuned, *, synthetic: bool) -> Section:
    """How the search went, and what it found."""
    convergence = plots_models.convergence(tuned.values, tuned.pruned, MEASURE, synthetic=synthetic)
    importance = plots_models.importance(tuned.importances, synthetic=synthetic)
    pictures = [
        Picture("convergence", "Trials and the best so far.", plots_style.png(convergence)),
        Picture(
            "importance",
            "Share of the differences between trials that each parameter explains (fANOVA).",
            plots_style.png(importance),
        ),
    ]
    facts = {name: str(value) for name, value in tuned.params.items()}
    return Section(
        "tuning",
        "Tuning",
        [f"The best of {len(tuned.values)} trials (log-loss {tuned.log_loss:.4f}) has:"],
        facts=facts,
        pictures=pictures,
    )
