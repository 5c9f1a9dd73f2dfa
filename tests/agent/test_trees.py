"""Golden pages: what the agent makes of whole cgroup trees, to the last character.

``tests/trees/regenerate`` writes the pages anew; what a mistake there could bake in unseen is said
a second time, in words, in test_tree_statements.py. tests/trees/README.md tells of each tree.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from jobmend.agent.config import Config
from tests.agent.tree import NAMES, SEQUENCES, TREES, Look, disown, lay_out, once, play

WRITE = os.environ.get("JOBMEND_GOLDEN") == "write"


@pytest.mark.parametrize("name", NAMES)
def test_the_page_of_a_tree(name: str, tmp_path: Path, config: Config) -> None:
    played = play(name, config, tmp_path / "tree")
    golden = TREES / f"{name}.prom"
    if WRITE:
        alone = (
            name not in SEQUENCES
        )  # in a process of its own, where no other tree was read before
        golden.write_bytes(disown(once(lay_out(TREES / name, tmp_path))) if alone else played.page)
    assert played.page.decode() == golden.read_text()
    families = list(text_string_to_metric_families(played.page.decode()))
    series = [(one.name, *sorted(one.labels.items())) for f in families for one in f.samples]
    assert len(series) == len(set(series)) > 0


def test_every_tree_has_its_page_and_its_words() -> None:
    assert sorted(path.stem for path in TREES.glob("*.prom")) == NAMES
    told = re.findall(r"^\| `(\w+)` \|", (TREES / "README.md").read_text(), re.M)
    assert sorted(told) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_the_same_in_openmetrics(name: str, tmp_path: Path, config: Config) -> None:
    played = play(name, config, tmp_path / "tree")
    text = played.openmetrics.decode()
    samples = [one for family in openmetrics_families(text) for one in family.samples]
    assert {(one.name, *sorted(one.labels.items())): one.value for one in samples} == {
        (one.name, *sorted(one.labels.items())): one.value for one in Look(played.page).samples
    }


@pytest.mark.parametrize("peers", [("treydock", "ceems"), ("jobstats",)], ids="-".join)
@pytest.mark.parametrize("name", NAMES)
def test_the_names_of_others_add_to_the_page_and_change_nothing(
    name: str, peers: tuple[str, ...], tmp_path: Path, config: Config
) -> None:
    page = play(name, config, tmp_path / "tree", peers).page
    ours = (TREES / f"{name}.prom").read_bytes()
    assert page.startswith(ours)
    theirs = [line for line in page[len(ours) :].splitlines() if not line.startswith(b"#")]
    assert len({line.rpartition(b" ")[0] for line in theirs}) == len(theirs)
    assert bool(theirs) == (b"jobmend_job_info{" in ours)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SEQUENCES])
def test_the_command_prints_the_page(name: str, tmp_path: Path) -> None:
    page = disown(once(lay_out(TREES / name, tmp_path / "tree")))
    assert page.decode() == (TREES / f"{name}.prom").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_promtool_has_nothing_to_say(name: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH (Debian package prometheus)")
    page = (TREES / f"{name}.prom").read_bytes()
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_a_root_that_is_not_there_is_an_empty_page(tmp_path: Path) -> None:
    assert once(tmp_path / "nothing") == b""


def test_one_damaged_job_does_not_cost_the_other(copy_tree: Callable[[str], Path]) -> None:
    tree = copy_tree("slurm_v2")
    damaged = tree / "cgroup/system.slice/slurmstepd.scope/job_3385"
    for name in ("cpu.stat", "memory.stat", "cpu.pressure", "memory.max", "cpuset.cpus.effective"):
        (damaged / name).write_bytes(b"\xff\xfe nonsense\n")
    look = Look(once(tree))
    assert look.one("jobmend_job_cpu_user_seconds_total", jobid="3386") == 90
    assert look.all("jobmend_job_cpu_user_seconds_total", jobid="3385") == {}
    assert look.one("jobmend_job_memory_current_bytes", jobid="3385") == 1916928
    assert "exclusive" not in look.claims()  # nobody knows where the damaged job may run
