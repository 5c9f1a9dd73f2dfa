"""Work that a site's own command submits anew on a real Slurm: in parts, or otherwise set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jobmend.jobs.actions import Action, ActionKind
from jobmend.plugins.scheduler import SchedulerError
from tests.plugins.slurm.watched import Watched, restarts

if TYPE_CHECKING:
    from tests.plugins.slurm.conftest import Cluster

pytestmark = pytest.mark.slurm

# What a site might write: the parts of a job, submitted as its user.
SITES_COMMAND = """#!/bin/sh
set -e
job=$1 parts=$2 user=$3
squeue --noheader --states=all --jobs="$job" --format=%u | grep -qx "$user"
for part in $(seq "$parts"); do
    setpriv --reuid="$user" --regid="$user" --init-groups \\
        sbatch --parsable --output=/dev/null --chdir=/ \\
        --wrap='[ "$PART" -gt 0 ] && [ "${XRD:-none}" = "${WANTED:-none}" ]' \\
        --comment="$job" --export=ALL,PART="$part"
done
"""


def sites_command(folder: Path, text: str = SITES_COMMAND) -> tuple[str, ...]:
    program = folder / "resubmit"
    program.write_text(text)
    program.chmod(0o755)
    return (str(program), "{address}", "{splitting}", "{user}")


def test_a_job_is_split_by_the_sites_own_command(slurm: Cluster, tmp_path: Path) -> None:
    watched = Watched(slurm, tmp_path, sites_command(tmp_path))
    job_id = slurm.submit("exit 3")
    slurm.wait(job_id, "FAILED")
    runs = watched.act(Action(ActionKind.RECOVER, splitting=3), job_id)
    assert len(runs) == 3 and {run.run for run in runs} == {"0"}
    for run in runs:
        slurm.wait(run.job_id, "COMPLETED")
    records = watched.records(*(run.job_id for run in runs))
    assert [record.run for record in records] == list(runs)
    assert {record.facts.workflow for record in records} == {f"tester/{job_id}"}
    assert slurm.state(job_id) == "FAILED" and restarts(slurm, job_id) == {job_id: "0"}


def test_a_job_is_submitted_anew_with_another_access(slurm: Cluster, tmp_path: Path) -> None:
    access = {"xrootd": {"XRD": "root://far.example//", "WANTED": "root://far.example//"}}
    watched = Watched(slurm, tmp_path, sites_command(tmp_path), access)
    job_id = slurm.submit("exit 3")
    slurm.wait(job_id, "FAILED")
    action = Action(
        ActionKind.RECOVER,
        data_access="xrootd",
        memory_bytes=150 * 2**20,
        walltime_seconds=420,
        sites_use=("siteB",),
    )
    (run,) = watched.act(action, job_id)
    slurm.wait(run.job_id, "COMPLETED")
    facts = watched.records(run.job_id)[0].facts
    assert (facts.site, facts.request.memory_bytes) == ("siteB", 150 * 2**20)
    assert facts.request.walltime_seconds == 420


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("echo Submitted batch job 7", "printed 'Submitted batch job'"),
        ("true", "printed '0 words'"),
        ("echo 999999", "printed job 999999, which the controller does not know"),
        ("echo no; exit 5", "exited 5"),
    ],
)
def test_what_the_command_prints_is_checked(
    slurm: Cluster, tmp_path: Path, answer: str, problem: str
) -> None:
    watched = Watched(slurm, tmp_path, sites_command(tmp_path, f"#!/bin/sh\n{answer}\n"))
    job_id = slurm.submit("exit 3")
    slurm.wait(job_id, "FAILED")
    with pytest.raises(SchedulerError, match=problem):
        watched.act(Action(ActionKind.RECOVER, splitting=2), job_id)


def test_slurm_lets_no_operator_change_an_environment(slurm: Cluster) -> None:
    """Why data access needs the site's own command."""
    job_id = slurm.submit("exit 3")
    slurm.wait(job_id, "FAILED")
    operator = str(slurm.operator_bin / "scontrol")
    with pytest.raises(AssertionError, match="Update of this parameter is not supported"):
        slurm.run(operator, "update", f"JobId={job_id}", "Environment=XRD=1")
    user = ("setpriv", "--reuid=tester2", "--regid=tester2", "--init-groups")
    with pytest.raises(AssertionError, match="--uid only permitted by root"):
        slurm.run(*user, "sbatch", "--uid=tester", "--wrap=true")
