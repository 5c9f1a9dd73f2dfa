"""What scoring at the edge puts on the agent's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..exporter.page import Page, labels
from . import delivery as fetching
from . import keeping, scoring
from .child import resident_bytes
from .series import Shown

if TYPE_CHECKING:
    from .delivery import Delivery
    from .scoring import Scoring


def add_anomalies(page: Page, shown: Sequence[Shown]) -> None:
    """Score and p-value of each job whose newest window was scored."""
    told: set[str] = set()
    for job in shown:
        anomaly = job.run.anomaly if job.run is not None else None
        if anomaly is None or job.identity in told:  # one that ended makes way, as elsewhere
            continue
        told.add(job.identity)
        page.add("jobmend_job_anomaly_score", anomaly.score, job.identity)
        if anomaly.p is not None:
            page.add("jobmend_job_anomaly_p_value", anomaly.p, job.identity)


def add_scorer(page: Page, found: Scoring, delivery: Delivery | None) -> None:
    """How the scorer does, what became of windows and models, and what was asked of the brain."""
    page.add("jobmend_agent_scorer_up", int(bool(found.pid)))
    if found.model:
        page.add("jobmend_agent_scorer_model_info", 1, labels(version=found.model))
    resident = resident_bytes(found.pid) if found.pid else None
    page.add("jobmend_agent_scorer_resident_bytes", resident)
    page.add("jobmend_agent_scorer_restarts_total", found.restarts)
    page.add("jobmend_agent_scorer_wait_seconds_total", round(found.seconds, 6))
    page.add("jobmend_agent_scorer_passed_over_windows_total", found.keeping.passed_over)
    for name, label, words, counts in (
        ("windows", "result", scoring.RESULTS, found.windows),
        ("kept_windows", "reason", keeping.REASONS, found.keeping.kept),
        ("models", "result", scoring.MODEL_RESULTS, found.models),
    ):
        for word in words:
            page.add(f"jobmend_agent_scorer_{name}_total", counts[word], f'{label}="{word}"')
    for word in fetching.RESULTS if delivery is not None else ():
        count = delivery.fetches[word] if delivery is not None else 0
        page.add("jobmend_agent_scorer_fetches_total", count, f'result="{word}"')
