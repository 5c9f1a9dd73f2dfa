"""The report's section about trust: calibration, abstention, conformal sets, novelty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..evaluation.scores import Floats, Said, calibration_error
from ..trust.abstention import Costs, abstentions, choose
from ..trust.calibration import Calibration
from ..trust.conformal import ConformalSets
from . import plots, plots_style
from .report import Picture, Section, Table, Value

METHODS = {
    "none": "none: the probabilities were honest as they were",
    "temperature": "one temperature",
    "offsets": "a temperature and one offset a class",
    "isotonic": "a monotone curve a class",
}

FITTED_HERE = (
    "Each task was said by a twin of the champion that had not learned from it, and calibrated by "
    "what the twins said of others. The sets were fitted on the same tasks, so what is shown of "
    "them flatters a little; a report on a later history does not."
)


@dataclass(frozen=True, eq=False)
class Trust:
    """What makes probabilities into answers. ``novelty`` p-values ``[tasks]``, where known.

    ``fitted_here``: the sets were fitted on the tasks they are shown on.
    """

    calibration: Calibration
    sets: ConformalSets
    costs: Costs
    novel: float  # a task with a p-value up to this is like no other
    novelty: Floats | None = None
    fitted_here: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of it on held-out tasks, shares 0..1; ``precision`` of those answered."""

    abstained: float
    novel: float | None
    precision: float
    expected_cost: float  # a task, abstentions included


def trust_section(said: Said, classes: Sequence[str], trust: Trust, *, synthetic: bool) -> Section:
    """Calibration and abstention on ``said``: calibrated, of tasks that were held out."""
    outcome = outcome_of(said, classes, trust)
    chosen = (1.0 - outcome.abstained, outcome.precision)
    calibration = plots.calibration(said, classes, synthetic=synthetic)
    coverage = plots.coverage(said, synthetic=synthetic, chosen=chosen)
    pictures = [
        Picture(
            "calibration",
            "Probability said against the share that was so, with standard errors; below, tasks.",
            plots_style.png(calibration),
        ),
        Picture(
            "coverage",
            "Share of right answers as ever less sure ones are given; the star is how it is set.",
            plots_style.png(coverage),
        ),
    ]
    facts = {**_facts(said, classes, trust), **_outcome_facts(outcome, trust)}
    tables = [_sets_table(said, classes, trust.sets), _costs_table(said, classes, trust.costs)]
    paragraphs = [FITTED_HERE] if trust.fitted_here else []
    return Section("trust", "Calibration and abstention", paragraphs, facts, tables, pictures)


def outcome_of(said: Said, classes: Sequence[str], trust: Trust) -> Outcome:
    """What the costs and the novelty make of ``said``."""
    novel: NDArray[np.bool_] | None = None
    if trust.novelty is not None:
        novel = trust.novelty <= trust.novel
    choices = choose(said.probabilities, classes, trust.costs, novel)
    asked = abstentions(choices)
    numbers = {word: number for number, word in enumerate(classes)}
    advised = np.array([numbers.get(choice.action, -1) for choice in choices])
    costs = trust.costs.matrix(classes)[said.labels, np.maximum(advised, 0)]
    right = advised[~asked] == said.labels[~asked]
    return Outcome(
        abstained=float(asked.mean()),
        novel=None if novel is None else float(novel.mean()),
        precision=float(right.mean()) if right.size else float("nan"),
        expected_cost=float(np.where(asked, trust.costs.asking, costs).mean()),
    )


def _facts(said: Said, classes: Sequence[str], trust: Trust) -> dict[str, Value]:
    errors = [
        calibration_error(said.labels == number, said.probabilities[:, number])
        for number in range(len(classes))
    ]
    worst = int(np.argmax(errors))
    method = trust.calibration.method
    return {
        "calibration": METHODS.get(method, method),
        "temperature": trust.calibration.temperature if method == "temperature" else None,
        "largest calibration error (ECE)": f"{errors[worst]:.4f}, of {classes[worst]}",
    }


def _outcome_facts(outcome: Outcome, trust: Trust) -> dict[str, Value]:
    return {
        "abstains on": f"{outcome.abstained:.1%} of the tasks",
        "of them novel": None if outcome.novel is None else f"{outcome.novel:.1%} of the tasks",
        "right where it answers": f"{outcome.precision:.1%}",
        "cost of a task": f"{outcome.expected_cost:.3f}; asking always costs "
        f"{trust.costs.asking:.2f}",
        "novel from p-value": f"{trust.novel:.2f} down",
    }


def _sets_table(said: Said, classes: Sequence[str], sets: ConformalSets) -> Table:
    """How often the conformal set holds what was done, and how many classes it holds."""
    held = sets.sets(said.probabilities)
    inside = np.array([label in one for label, one in zip(said.labels, held, strict=True)])
    sizes = np.array([len(one) for one in held])
    rows: list[list[Value]] = []
    for number, word in enumerate(classes):
        of_class = said.labels == number
        if of_class.any():
            means = float(inside[of_class].mean()), float(sizes[of_class].mean())
            rows.append([word, int(of_class.sum()), *means, sets.thresholds[number]])
    columns = ["class", "tasks", "in the set", "classes in the set", "least probability"]
    return Table(
        columns, rows, f"Conformal sets: promised is that {1 - sets.alpha:.0%} are in the set."
    )


def _costs_table(said: Said, classes: Sequence[str], costs: Costs) -> Table:
    matrix = costs.matrix(classes)
    shown = sorted(plots.commonest(said.labels, classes, plots.MAX_MATRIX))
    rows: list[list[Value]] = [
        [classes[row], *(float(matrix[row, column]) for column in shown)] for row in shown
    ]
    return Table(
        ["right was", *(f"said {classes[column]}" for column in shown)],
        rows,
        f"What a mistake costs; asking a person costs {costs.asking:.2f}.",
    )
