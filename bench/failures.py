"""How good the models are on synthetic history and synthetic traces; under a minute.

The last line is one JSON object. All of it is synthetic: it says that the models learn what the
generators put in, not how they will do on a cluster.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from rich.console import Console
from sklearn.metrics import average_precision_score, roc_auc_score

from jobmend.classifier.advice import Models, advise
from jobmend.classifier.failures.model import FailureModel
from jobmend.classifier.failures.report import Score, compare
from jobmend.classifier.failures.synthetic import generate
from jobmend.classifier.traces import synthetic
from jobmend.classifier.traces.model import TraceModel
from jobmend.jobs.actions import ActionKind
from jobmend.jobs.windows import TraceWindow


def failures(train: int, held_out: int, talk: Console) -> dict[str, Any]:
    """Majority, rules, the model with and without SMOTE, and the advice made of them."""
    older, newer = generate(train, seed=1), generate(held_out, seed=2)
    rows: list[Score] = []
    seconds = {}
    for name, share in (("without SMOTE", 0.0), ("with SMOTE", 1.0)):
        begun = time.perf_counter()
        model = FailureModel(smote_share=share).fit(older)
        seconds[name] = round(time.perf_counter() - begun, 2)
        scores = compare(model, older, newer)
        rows = [*scores[:2], *rows[2:], replace(scores[2], name=f"model {name}")]
    advised = [(advise(example.record, Models(model, None)), example) for example in newer]
    acting = [(a, e) for a, e in advised if a is not None and a.action.kind is not ActionKind.ASK]
    right = sum(advice.action.kind is example.action for advice, example in acting)
    for row in rows:
        recall = "  ".join(f"{kind} {value:.2f}" for kind, value in row.recall.items())
        talk.print(
            f"{row.name:22} log-loss {row.log_loss:.3f}  macro-F1 {row.macro_f1:.3f}  "
            f"coverage {row.coverage:.2f}  precision {row.precision:.2f}  recall {recall}",
            soft_wrap=True,
        )
    return {
        "rows": [asdict(row) for row in rows],
        "fit_seconds": seconds,
        "advice": {
            "coverage": len(acting) / len(newer),
            "precision": right / len(acting),
            "mean_probability": float(np.mean([advice.probability for advice, _ in acting])),
        },
    }


def traces(runs: int, talk: Console) -> dict[str, Any]:
    """The auto-encoder beside principal components, per ailment and over all."""
    rng = np.random.default_rng(3)
    windows = synthetic.healthy_windows(rng, runs)
    healthy = [synthetic.window(rng, f"held-{number}") for number in range(150)]
    ailing = {
        ailment: [synthetic.window(rng, "ill", ailment=ailment) for _ in range(50)]
        for ailment in synthetic.AILMENTS
    }
    rows = {}
    for name in ("autoencoder", "pca"):
        begun = time.perf_counter()
        model = TraceModel(reconstruction=name).fit(windows)
        fit_seconds = time.perf_counter() - begun
        rows[name] = {
            "fit_seconds": round(fit_seconds, 2),
            **separation(model, healthy, [one for group in ailing.values() for one in group]),
            "auroc_of": {
                ailment: separation(model, healthy, group)["auroc"]
                for ailment, group in ailing.items()
            },
        }
        talk.print(f"{name:12} {rows[name]}", soft_wrap=True)
    return rows


def separation(
    model: TraceModel, healthy: list[TraceWindow], ailing: list[TraceWindow]
) -> dict[str, float]:
    """AUROC, AUPRC, and the share of healthy threads called odd at p <= 0.05."""
    scores = [model.score_samples(one) for one in [*healthy, *ailing]]
    labels = np.repeat([0] * len(healthy) + [1] * len(ailing), [len(row) for row in scores])
    flat = np.concatenate(scores)
    owned = ~np.isnan(flat)
    flat, labels = flat[owned], labels[owned]
    false = [model.p_value(float(score)) <= 0.05 for score in flat[labels == 0]]
    return {
        "auroc": round(float(roc_auc_score(labels, flat)), 4),
        "auprc": round(float(average_precision_score(labels, flat)), 4),
        "false_alarms_at_0.05": round(float(np.mean(false)), 4),
    }


def main() -> None:
    """Print a table for people, then the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=int, default=3000, help="synthetic workflows [3000]")
    parser.add_argument("--held-out", type=int, default=1500, help="held-out workflows [1500]")
    parser.add_argument("--runs", type=int, default=60, help="synthetic healthy runs [60]")
    options = parser.parse_args()
    talk = Console(stderr=True)
    report = {
        "data": "synthetic",
        "failures": failures(options.train, options.held_out, talk),
        "traces": traces(options.runs, talk),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
