"""The first page: how the clusters and their jobs fare, and what is done about it."""

from __future__ import annotations

from .chart import Chart, Dashboard, Query, Row, Threshold
from .variables import CLUSTER, OF_CLUSTER

_JOBS = Row(
    "Jobs",
    (
        Chart(
            "Jobs on the nodes",
            "timeseries",
            "",
            (Query(f"cluster:jobmend_jobs:count{{{OF_CLUSTER}}}", "{{cluster}}"),),
            "Jobs that the agents measure; one on several nodes counts once.",
            stacked=True,
        ),
        Chart(
            "Jobs that are odd",
            "timeseries",
            "share",
            (Query(f"cluster:jobmend_jobs_odd:ratio{{{OF_CLUSTER}}}", "{{cluster}}"),),
            "Share of the scored jobs whose p-value is 1 % or less. Of healthy jobs that are like "
            "those the model learned from, 1 % are.",
            thresholds=(Threshold(0.05, "notice"), Threshold(0.2, "bad")),
        ),
        Chart(
            "Cores at work for jobs",
            "timeseries",
            "cores",
            (Query(f"cluster:jobmend_job_cpu_seconds:rate5m{{{OF_CLUSTER}}}", "{{cluster}}"),),
            "CPU time that jobs use, user and system, over five minutes.",
            stacked=True,
        ),
        Chart(
            "Runs by how they ended",
            "bars",
            "",
            (Query("sum by (verdict) (jobmend_brain_runs)", "{{verdict}}"),),
            "All runs the brain knows, of all clusters; active ones have not ended.",
        ),
    ),
)

_ACTIONS = Row(
    "Recommendations",
    (
        Chart(
            "Waiting for a person",
            "stat",
            "",
            (Query('sum(jobmend_brain_recommendations{state="proposed"})', "proposed"),),
            "Recommendations that nobody approved or rejected yet.",
            thresholds=(Threshold(1, "notice"),),
            width=3,
        ),
        Chart(
            "Recommendations by state",
            "bars",
            "",
            (Query("sum by (state) (jobmend_brain_recommendations)", "{{state}}"),),
            "All recommendations there ever were, of all clusters.",
            width=3,
        ),
        Chart(
            "Hours lost and won back in a day",
            "timeseries",
            "hours",
            (
                Query(
                    f"sum by (cluster) (jobmend_brain_lost_seconds{{{OF_CLUSTER}}}) / 3600",
                    "{{cluster}}: lost",
                ),
                Query(
                    f"sum by (cluster) (jobmend_brain_won_back_seconds{{{OF_CLUSTER}}}) / 3600",
                    "{{cluster}}: won back",
                ),
            ),
            "Of the 24 hours before: how long the runs ran that failed, and how long those ran "
            "that an approved action brought about and that ended well. Wall-clock time of runs.",
        ),
    ),
)

_SITES = Row(
    "Sites",
    (
        Chart(
            "Bad sites",
            "state-timeline",
            "yes/no",
            (Query(f"jobmend_brain_site_bad{{{OF_CLUSTER}}}", "{{cluster}} {{site}}"),),
            "Sites that the brain held for bad: their nodes were out, or the runs there failed for "
            "reasons of the site.",
            thresholds=(Threshold(1, "bad"),),
        ),
        Chart(
            "Nodes that are out",
            "timeseries",
            "share",
            (
                Query(
                    f"jobmend_brain_site_nodes_out{{{OF_CLUSTER}}}"
                    f" / jobmend_brain_site_nodes{{{OF_CLUSTER}}}",
                    "{{cluster}} {{site}}",
                ),
            ),
            "Share of a site's nodes that their scheduler says are drained or down.",
            thresholds=(Threshold(0.05, "notice"), Threshold(0.25, "bad")),
            maximum=1.0,
        ),
    ),
)

_MODELS = Row(
    "Models",
    (
        Chart(
            "Champions",
            "table",
            "",
            (Query("jobmend_brain_learning_champion_info"),),
            "The models in use.",
            columns=("subject", "arm", "number"),
            width=3,
        ),
        Chart(
            "Age of the champions",
            "stat",
            "seconds",
            (
                Query(
                    "time() - jobmend_brain_learning_champion_promoted_timestamp_seconds",
                    "{{subject}}",
                ),
            ),
            "Since when the models in use are in use. An old one is no harm while its loss stays "
            "in its band.",
            width=3,
        ),
        Chart(
            "Drift",
            "timeseries",
            "",
            (Query("jobmend_brain_learning_drift_psi_max", "{{subject}}"),),
            "Largest population stability index of a feature: the newest day against what the "
            "champion learned from. A rule of thumb calls 0.1 a shift and 0.25 a large one.",
            thresholds=(Threshold(0.1, "notice"), Threshold(0.25, "bad")),
            width=3,
        ),
        Chart(
            "Waiting to be vetted",
            "timeseries",
            "",
            (
                Query(
                    'jobmend_brain_learning_quarantined{state="waiting"}',
                    "{{subject}}",
                ),
            ),
            "Windows and tasks unlike all that was learned from: they are left out until a person "
            "decided (`jobmend vet`).",
            thresholds=(Threshold(1, "notice"),),
            width=3,
        ),
    ),
)

SUMMARY = Dashboard(
    "summary",
    "jobmend: summary",
    "How the clusters and their jobs fare, what is advised and won, and which models judge.",
    (CLUSTER,),
    (_JOBS, _ACTIONS, _SITES, _MODELS),
    since="24h",
)
