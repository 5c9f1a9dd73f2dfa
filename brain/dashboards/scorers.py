"""The scorers beside the agents: do they run, keep up, and have the model they should."""

from __future__ import annotations

from .chart import Row
from .of_agents import BAD, UP_IS_GOOD, asked, rate, value
from .variables import OF_NODES

SCORERS = Row(
    "Scorers",
    (
        asked(
            "Scorers that run",
            "yes/no",
            "Does the scorer of the node run.",
            (value("jobmend_agent_scorer_up"), "{{instance}}"),
            kind="state-timeline",
            thresholds=UP_IS_GOOD,
        ),
        asked(
            "Windows",
            "1/s",
            "Windows by what became of them.",
            (rate("jobmend_agent_scorer_windows_total", "result"), "{{result}}"),
        ),
        asked(
            "Waiting for a score",
            "seconds",
            "Mean time from a window to its score.",
            (
                rate("jobmend_agent_scorer_wait_seconds_total")
                + " / sum by (instance) (rate(jobmend_agent_scorer_windows_total"
                f'{{{OF_NODES}, result="scored"}}[$rate]))',
                "{{instance}}",
            ),
        ),
        asked(
            "Windows told to the brain",
            "1/s",
            "By why they were kept, and those beyond what a period may hold.",
            (rate("jobmend_agent_scorer_kept_windows_total", "reason"), "{{reason}}"),
            (rate("jobmend_agent_scorer_passed_over_windows_total", "job"), "passed over"),
        ),
        asked(
            "Models",
            "1/s",
            "Questions to the brain for a model, and models by what the scorers did.",
            (rate("jobmend_agent_scorer_fetches_total", "result"), "asked: {{result}}"),
            (rate("jobmend_agent_scorer_models_total", "result"), "model: {{result}}"),
        ),
        asked(
            "Restarts",
            "1/s",
            "Scorers started in place of one before.",
            (rate("jobmend_agent_scorer_restarts_total"), "{{instance}}"),
            thresholds=BAD,
        ),
    ),
    collapsed=True,
)
