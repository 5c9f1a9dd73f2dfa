"""What readers of several dashboards choose, and the label matchers that follow from it.

The label ``cluster`` of an agent's series is one of the target (etc/prometheus/prometheus.yml);
``instance`` is the host's name. The workflow of a job is known to the brain alone: one that was
chosen leaves the jobs of ``jobmend_brain_run_info``, all of them those that only agents know too.
"""

from __future__ import annotations

from .chart import Variable

CLUSTER = Variable("cluster", "Cluster", "jobmend_build_info", "cluster")
NODE = Variable(
    "node", "Node", 'jobmend_build_info{cluster=~"$cluster"}', "instance", several=False
)
NODES = Variable("node", "Node", 'jobmend_build_info{cluster=~"$cluster"}', "instance")
WORKFLOW = Variable(
    "workflow", "Workflow", 'jobmend_brain_run_info{cluster=~"$cluster"}', "workflow"
)
JOB = Variable(
    "job",
    "Job",
    '{__name__=~"jobmend_job_info|jobmend_brain_run_info", cluster=~"$cluster",'
    ' workflow=~"$workflow"}',
    "jobid",
    several=False,
)
SUBJECT = Variable("subject", "Models of", "jobmend_brain_learning_champion_info", "subject")

OF_CLUSTER = 'cluster=~"$cluster"'
OF_NODE = 'cluster=~"$cluster", instance="$node"'
OF_NODES = 'cluster=~"$cluster", instance=~"$node"'
OF_JOB = 'cluster=~"$cluster", jobid="$job"'
OF_SUBJECT = 'subject=~"$subject"'

ODD = 0.01  # p-value at or below which a job is called odd: `alpha` in agent.toml
