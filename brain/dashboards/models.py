"""The models: which are in use, whether they still fit, and what their learning costs."""

from __future__ import annotations

from .chart import Chart, Dashboard, Query, Row, Threshold
from .variables import CLUSTER, OF_CLUSTER, OF_SUBJECT, SUBJECT

_CHAMPIONS = Row(
    "Competition",
    (
        Chart(
            "Champions",
            "table",
            "seconds",
            (
                Query(
                    "(time() - jobmend_brain_learning_champion_promoted_timestamp_seconds"
                    f"{{{OF_SUBJECT}}}) * on (subject) group_left (arm, number, version)"
                    " jobmend_brain_learning_champion_info"
                ),
            ),
            "The models in use, with their version in MLflow. `jobmend models history` has those "
            "before them and why they came.",
            columns=("subject", "arm", "number", "version"),
            value="in use for",
        ),
        Chart(
            "Loss",
            "timeseries",
            "",
            (
                Query(f"jobmend_brain_learning_loss{{{OF_SUBJECT}}}", "{{subject}}: {{model}}"),
                Query(
                    f"jobmend_brain_learning_loss_band{{{OF_SUBJECT}}}",
                    "{{subject}}: {{edge}} edge",
                    dashed=True,
                ),
            ),
            "Mean loss of the champion and of the best new model on the newest day, and the band "
            "in which the champion's is expected. Traces: 1 - AUROC; failures: log-loss.",
        ),
    ),
)

_TURNS = Row(
    "Turns",
    (
        Chart(
            "Turns by state",
            "bars",
            "",
            (
                Query(
                    f"sum by (subject, state) (jobmend_brain_learning_turns{{{OF_SUBJECT}}})",
                    "{{subject}}: {{state}}",
                ),
            ),
            "How the turns of learning ended.",
        ),
        Chart(
            "What a turn takes",
            "timeseries",
            "seconds",
            (
                Query(
                    f"jobmend_brain_learning_turn_step_seconds{{{OF_SUBJECT}}}",
                    "{{subject}}: {{step}}",
                ),
            ),
            "Time of each step of the newest turn.",
            stacked=True,
        ),
        Chart(
            "Last turn",
            "stat",
            "seconds",
            (
                Query(
                    "time() - max by (subject)"
                    f" (jobmend_brain_learning_last_turn_timestamp_seconds{{{OF_SUBJECT}}})",
                    "{{subject}}",
                ),
            ),
            "Time since a turn ended, however it did.",
            thresholds=(Threshold(2 * 86400, "bad"),),
            width=3,
        ),
        Chart(
            "Last turn that went well",
            "stat",
            "seconds",
            (
                Query(
                    "time() - max by (subject)"
                    " (jobmend_brain_learning_last_turn_timestamp_seconds"
                    f'{{{OF_SUBJECT}, state!~"failed|abandoned"}})',
                    "{{subject}}",
                ),
            ),
            "Time since a turn ended that neither failed nor was abandoned.",
            thresholds=(Threshold(2 * 86400, "bad"),),
            width=3,
        ),
    ),
)

_DATA = Row(
    "Data",
    (
        Chart(
            "Drift",
            "timeseries",
            "",
            (Query(f"jobmend_brain_learning_drift_psi_max{{{OF_SUBJECT}}}", "{{subject}}"),),
            "Largest population stability index of a feature: the newest day against what the "
            "champion learned from.",
            thresholds=(Threshold(0.1, "notice"), Threshold(0.25, "bad")),
            width=4,
        ),
        Chart(
            "Features that drifted",
            "timeseries",
            "",
            (Query(f"jobmend_brain_learning_drifted_features{{{OF_SUBJECT}}}", "{{subject}}"),),
            "Features whose index is above 0.25 and whose distribution differs significantly.",
            width=4,
        ),
        Chart(
            "Strange share of a period",
            "timeseries",
            "share",
            (
                Query(
                    f"jobmend_brain_learning_period_share{{{OF_SUBJECT}}}", "{{subject}}: {{sign}}"
                ),
            ),
            "Odd examples, and runs or workflows of which something is said that the champion "
            "doubts. A period with more of either waits for a person as a whole (of odd ones the "
            "limit is `novel_share` of brain.toml).",
            thresholds=(Threshold(0.15, "bad"),),
            width=4,
        ),
        Chart(
            "Quarantine",
            "timeseries",
            "",
            (
                Query(
                    f"sum by (subject, state) (jobmend_brain_learning_quarantined{{{OF_SUBJECT}}})",
                    "{{subject}}: {{state}}",
                ),
            ),
            "What was unlike all that was learned from, by what a person said of it.",
            width=3,
        ),
        Chart(
            "Longest in quarantine",
            "stat",
            "seconds",
            (
                Query(
                    "time() - jobmend_brain_learning_quarantine_oldest_timestamp_seconds"
                    f"{{{OF_SUBJECT}}}",
                    "{{subject}}",
                ),
            ),
            "How long the oldest has been waiting for a person; nothing where none waits.",
            thresholds=(Threshold(3 * 86400, "notice"), Threshold(7 * 86400, "bad")),
            width=2,
        ),
        Chart(
            "Archive of traces",
            "timeseries",
            "bytes",
            (Query("jobmend_brain_archive_bytes", "{{instance}}"),),
            "What models of traces are learned from; `[learning]` of brain.toml bounds it.",
            width=3,
        ),
        Chart(
            "Windows archived",
            "timeseries",
            "1/s",
            (Query("rate(jobmend_brain_archive_windows_total[$rate])", "{{instance}}"),),
            "Windows of trace that agents told and the archive took.",
            width=2,
        ),
        Chart(
            "Damaged files",
            "stat",
            "",
            (Query("jobmend_brain_archive_damaged_files", "{{instance}}"),),
            "Files of the archive that could not be read; the log of the brain names them.",
            thresholds=(Threshold(1, "bad"),),
            width=2,
        ),
    ),
)

_NODES = Row(
    "On the nodes",
    (
        Chart(
            "Calibration",
            "timeseries",
            "share",
            tuple(
                Query(
                    f"avg(jobmend_job_anomaly_p_value{{{OF_CLUSTER}}} <= bool {share})",
                    f"p at most {share:.0%}",
                )
                for share in (0.01, 0.1, 0.5)
            ),
            "Share of the jobs whose p-value is that low. A calibrated model says it of 1 %, 10 % "
            "and 50 % of healthy jobs; more of them at once is a bad day or a model that is old.",
            maximum=1.0,
        ),
        Chart(
            "Models in use",
            "table",
            "",
            (
                Query(
                    f"count by (cluster, version) (jobmend_agent_scorer_model_info{{{OF_CLUSTER}}})"
                ),
            ),
            "The models of traces that nodes score with. After a promotion or a rollback all have "
            "the same one within one poll.",
            columns=("cluster", "version"),
            value="nodes",
        ),
    ),
)

MODELS = Dashboard(
    "models",
    "jobmend: models",
    "Which models are in use, whether they still fit, and what their learning costs.",
    (CLUSTER, SUBJECT),
    (_CHAMPIONS, _TURNS, _DATA, _NODES),
    since="7d",
)
