"""The report's sections about scores: the arms beside each other, and the champion by class."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluation.comparison import Comparison
from ..evaluation.intervals import Interval
from ..evaluation.learning_curve import MEASURE, LearningCurve
from ..evaluation.scores import Said, Scores, score
from . import plots, plots_models, plots_style
from .report import Picture, Section, Table, Value

# Figures of the table of arms, with their headings.
FIGURES: Mapping[str, str] = {
    "log_loss": "log-loss (nats)",
    "to_champion": "above the champion's",
    "closeness": "closeness to the best possible",
    "macro_f1": "macro-F1",
    "roc_auc": "ROC AUC",
    "auprc": "AUPRC",
    "geometric_mean": "geometric mean of recalls",
    "brier": "Brier",
    "ece": "largest ECE",
    "coverage_90": "coverage at 90 % precision",
    "coverage_95": "coverage at 95 % precision",
    "ks": "KS training/test",
    "fit_seconds": "fit (s)",
}
ABREAST = 4  # figures in one table: more are too wide for paper
Row = Mapping[str, Any]


def arms_section(
    rows: Sequence[Row],
    champion: str,
    told: str,
    *,
    synthetic: bool,
    lines: Mapping[str, float] | None = None,
) -> Section:
    """Arms with intervals, from rows as :meth:`~.comparison.Comparison.table` has them.

    ``lines`` are log-losses to compare with, by name.
    """
    ranked = [row for row in rows if "failure" not in row]
    figures = [name for name in FIGURES if any(_known(row.get(name)) for row in ranked)]
    parts = [figures[at : at + ABREAST] for at in range(0, len(figures), ABREAST)]
    failed = [[str(row["arm"]), str(row["failure"])] for row in rows if "failure" in row]
    tables = [_arms_table(ranked, part, champion, not n) for n, part in enumerate(parts)]
    tables += [Table(["not ranked", "why"], failed)] if failed else []
    others = lines or {}
    paragraphs = [
        told,
        *(f"{name.capitalize()}: {loss:.4f} nats." for name, loss in others.items()),
    ]
    pictures = [_arms_picture(ranked, champion, others, synthetic)] if ranked else []
    return Section("arms", "Arms beside each other", paragraphs, tables=tables, pictures=pictures)


def _arms_picture(
    rows: Sequence[Row], champion: str, lines: Mapping[str, float], synthetic: bool
) -> Picture:
    figure = plots_models.arms(
        [_bar(row) for row in rows],
        FIGURES["log_loss"],
        synthetic=synthetic,
        champion=champion,
        alike=[str(row["arm"]) for row in rows if _is_alike(row)],
        lines=lines,
    )
    text = (
        "Log-loss of each arm; rings cannot be told from the champion. The line is the 95 % "
        "interval over folds, or of the difference from the champion where there was one split."
    )
    return _picture("arms", text, figure)


def _arms_table(rows: Sequence[Row], figures: Sequence[str], champion: str, first: bool) -> Table:
    caption = "On tasks that no arm had learned from. In brackets 95 % intervals, where there are."
    return Table(
        ["arm", *(FIGURES[name] for name in figures)],
        [[str(row["arm"]), *(_interval(row.get(name)) for name in figures)] for row in rows],
        caption if first else "",
        frozenset(n for n, row in enumerate(rows) if row["arm"] == champion),
    )


def _known(parts: Any) -> bool:
    return bool(parts) and parts[0] is not None


def _interval(parts: Any) -> Value:
    if not _known(parts):
        return None
    mean, low, high = (math.nan if part is None else float(part) for part in parts)
    return Interval(mean, low, high)


def _bar(row: Row) -> plots_models.Bar:
    mean, low, high = (math.nan if part is None else float(part) for part in row["log_loss"])
    if math.isnan(low):  # of one split only: how far from the champion, on the same tasks
        apart = [math.nan if part is None else float(part) for part in row["to_champion"]]
        low, high = (mean - apart[0] + end for end in apart[1:])
    return plots_models.Bar(str(row["arm"]), mean, low, high)


def _is_alike(row: Row) -> bool:
    low = row["to_champion"][1]
    return low is not None and float(low) <= 0.0


def champion_section(
    said: Said,
    classes: Sequence[str],
    name: str,
    *,
    synthetic: bool,
    comparison: Comparison | None = None,
    curve: LearningCurve | None = None,
) -> Section:
    """How well each class is told: table, ROC, confusion, over-training, learning curve."""
    confusion = plots.confusion(said.labels, said.answers, classes, synthetic=synthetic)
    text = "What was done (rows) against the likeliest class (columns)."
    pictures = [_picture("confusion", text, confusion)]
    if comparison is None:
        figure = plots.roc([said], classes, synthetic=synthetic)
        pictures.insert(0, _picture("roc", "ROC of each class against the rest.", figure))
    else:
        of_folds = _of_folds(comparison, name, synthetic)
        pictures = [of_folds[0], *pictures, *of_folds[1:]]
    if curve is not None:
        figure = plots_models.learning_curve(
            curve.sizes, curve.train, curve.test, MEASURE, synthetic=synthetic
        )
        text = f"Log-loss of {curve.arm} against the number of tasks it learned from."
        pictures.append(_picture("learning-curve", text, figure))
    title = f"The champion by class: {name}"
    words = ["Accuracy is not told: the commonest action alone would have a high one."]
    table = class_table(score(said, classes))
    return Section("champion", title, words, tables=[table], pictures=pictures)


def _of_folds(comparison: Comparison, name: str, synthetic: bool) -> list[Picture]:
    """ROC and over-training, on the tasks that the arms were compared on."""
    folds, classes = comparison[name].folds, comparison.classes
    held_out = [fold.held_out for fold in folds]
    spread = ", mean and one standard deviation over the folds" if len(folds) > 1 else ""
    ground = f"ROC of each class against the rest{spread}, on what the arms were compared on."
    learned, tested = plots.pooled([fold.learned for fold in folds]), plots.pooled(held_out)
    text = "Scores of tasks learned from (bars) and held out (points), before calibration."
    return [
        _picture("roc", ground, plots.roc(held_out, classes, synthetic=synthetic)),
        _picture(
            "over-training",
            text,
            plots.over_training(learned, tested, classes, synthetic=synthetic),
        ),
    ]


def class_table(scores: Scores) -> Table:
    """One row a class."""
    columns = ["class", "tasks", "recall", "precision", "ROC AUC", "AUPRC", "ECE"]
    rows: list[list[Value]] = [
        [word, one.tasks, one.recall, one.precision, one.roc_auc, one.auprc, one.ece]
        for word, one in scores.of_class.items()
    ]
    return Table(columns, rows, "Calibrated probabilities of tasks that were held out.")


def _picture(name: str, text: str, figure: Any) -> Picture:
    return Picture(name, text, plots_style.png(figure))
