"""How good the advice is on synthetic workflows: rules, failure classifier, and both joined.

The last line is one JSON object. All of it is synthetic: it says that the pieces fit together, not
how they will do on a cluster.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from sklearn.metrics import f1_score

from jobmend.classifier.advice import Models, advise
from jobmend.classifier.failures.causes.rules import judge
from jobmend.classifier.failures.history.records import task_of
from jobmend.classifier.failures.model import FailureClassifier
from jobmend.classifier.failures.prediction import ABSTAIN
from jobmend.classifier.failures.synthetic.records import LabelledWorkflow, as_history, generate
from jobmend.jobs.actions import ActionKind

ASK = ActionKind.ASK.value
HELD_OUT_SEED = 1000  # added to the seed: other workflows than those learned from


def by_majority(
    learned: Sequence[LabelledWorkflow], held_out: Sequence[LabelledWorkflow]
) -> list[str]:
    """The commonest action, always."""
    actions = [example.action.value for example in learned]
    return [max(set(actions), key=actions.count)] * len(held_out)


def by_rules(held_out: Sequence[LabelledWorkflow]) -> list[str]:
    """What the first rule that fires says."""
    verdicts = [judge(example.record) for example in held_out]
    return [verdict.action.kind.value if verdict else ASK for verdict in verdicts]


def by_classifier(model: FailureClassifier, held_out: Sequence[LabelledWorkflow]) -> list[str]:
    """What the failure classifier says; abstaining is asking."""
    said = model.predict([task_of(example.record) for example in held_out])
    return [ASK if one.action == ABSTAIN else one.action for one in said]


def by_advice(models: Models, held_out: Sequence[LabelledWorkflow]) -> list[str]:
    """What an operator is shown."""
    advice = [advise(example.record, models) for example in held_out]
    return [one.action.kind.value if one else ASK for one in advice]


def figures(said: Sequence[str], done: Sequence[str]) -> dict[str, float]:
    """Coverage: share not asked about; precision: share of those that is right; macro-F1."""
    answered = [(one, other) for one, other in zip(said, done, strict=True) if one != ASK]
    right = sum(one == other for one, other in answered)
    words = sorted(set(done))
    return {
        "coverage": round(len(answered) / len(done), 4),
        "precision": round(right / max(1, len(answered)), 4),
        "macro_f1": round(float(f1_score(done, said, labels=words, average="macro")), 4),
    }


def measure(train: int, held_out: int, seed: int) -> dict[str, Any]:
    """Train on some synthetic workflows, judge others."""
    learned, newer = generate(train, seed), generate(held_out, seed + HELD_OUT_SEED)
    begun = time.perf_counter()
    model = FailureClassifier(seed=seed).fit(as_history(learned))
    seconds = time.perf_counter() - begun
    done = [example.action.value for example in newer]
    rows = {
        "majority": by_majority(learned, newer),
        "rules": by_rules(newer),
        "classifier": by_classifier(model, newer),
        "advice (rules and classifier)": by_advice(Models(model, None), newer),
    }
    return {
        "data": "synthetic",
        "train": train,
        "held_out": held_out,
        "champion": model.about_.champion,
        "fit_seconds": round(seconds, 1),
        "rows": {name: figures(said, done) for name, said in rows.items()},
    }


def main() -> None:
    """Print a table for people, then the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--train", type=int, default=3000, help="synthetic workflows [3000]")
    parser.add_argument("--held-out", type=int, default=1500, help="held-out workflows [1500]")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    report = measure(options.train, options.held_out, options.seed)
    table = Table("synthetic", "coverage", "precision", "macro-F1")
    for name, row in report["rows"].items():
        table.add_row(name, *(f"{value:.3f}" for value in row.values()))
    Console(stderr=True).print(table)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
