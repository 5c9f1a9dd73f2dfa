from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobmend.agent import census, ownership
from jobmend.agent.census import Found
from jobmend.agent.ownership import METHODS, Claim, Cpuset, claims
from jobmend.plugins.layout import JobPath

A, B, C = (JobPath("slurm", str(number)) for number in (1, 2, 3))
SLOT = JobPath("htcondor", "", slot="slot1_1@n1")
NODE = (0, 1, 2, 3)


def methods(held: dict[int, tuple[Claim, ...]]) -> dict[int, list[tuple[str, str]]]:
    return {
        cpu: [(claim.job.job_id or claim.job.slot, claim.method) for claim in here]
        for cpu, here in held.items()
    }


def test_threads_are_held_alone_together_or_by_nobody() -> None:
    held = claims({A: Cpuset((0, 1), True), B: Cpuset((1, 2), True)}, {}, NODE)
    assert held == {
        0: (Claim(A, "exclusive"),),
        1: (Claim(A, "shared"), Claim(B, "shared")),
        2: (Claim(B, "exclusive"),),
    }


def test_a_whole_node_of_ones_own_is_exclusive_where_nobody_else_is() -> None:
    alone = claims({A: Cpuset(NODE, True)}, {}, NODE)
    assert {claim.method for here in alone.values() for claim in here} == {"exclusive"}
    beside = claims({A: Cpuset(NODE, True), B: Cpuset((3,), True)}, {}, NODE)
    assert methods(beside)[0] == [("1", "exclusive")]
    assert methods(beside)[3] == [("1", "shared"), ("2", "shared")]


def test_an_inherited_whole_node_is_never_exclusive() -> None:
    assert methods(claims({A: Cpuset(NODE, False)}, {}, NODE)) == {
        cpu: [("1", "shared")] for cpu in NODE
    }
    beside = claims({A: Cpuset(NODE, False), B: Cpuset((3,), True)}, {}, NODE)
    assert methods(beside)[3] == [("1", "shared"), ("2", "shared")]


def test_a_narrow_set_is_a_constraint_even_where_it_is_inherited() -> None:
    assert methods(claims({A: Cpuset((0,), False)}, {}, NODE)) == {0: [("1", "exclusive")]}


def test_beside_a_job_that_may_run_anywhere_nothing_is_exclusive() -> None:
    expected = {0: [("1", "shared")]}
    assert methods(claims({A: Cpuset((0,), True), B: None}, {}, NODE)) == expected
    assert methods(claims({A: Cpuset((0,), True), B: Cpuset((), True)}, {}, NODE)) == expected
    assert claims({A: None, B: None}, {}, NODE) == {}


def test_without_a_cpuset_affinity_or_samples_speak() -> None:
    found = {
        SLOT: Found(2, 2, "affinity", {2: 1.0}),
        C: Found(1, 8, "sampled", {0: 0.25, 1: 0.5}),
        A: Found(1, 1, "sampled", {3: 1.0}),  # has a cpuset: that is better
    }
    held = claims({A: Cpuset((0,), True), SLOT: None, C: None}, found, NODE)
    assert held == {
        0: (Claim(A, "shared"), Claim(C, "sampled", 0.25)),
        1: (Claim(C, "sampled", 0.5),),
        2: (Claim(SLOT, "affinity"),),
    }


def test_an_offline_thread_is_nobodys() -> None:
    held = claims({A: Cpuset((0, 9), True), B: None}, {B: Found(1, 1, "sampled", {9: 0.5})}, (0, 1))
    assert list(held) == [0]
    assert claims({A: Cpuset((0,), True)}, {}, ()) == {}


def test_the_words_of_both_modules_are_the_same() -> None:
    assert METHODS[2:] == (census.AFFINITY, census.SAMPLED)
    assert METHODS[2:] == (ownership.AFFINITY, ownership.SAMPLED)


CPUSETS = st.none() | st.builds(
    Cpuset, st.sets(st.integers(0, 5)).map(lambda cpus: tuple(sorted(cpus))), st.booleans()
)


@given(st.lists(CPUSETS, max_size=5), st.integers(1, 6))
def test_exclusive_means_that_no_other_job_may_run_there(
    cpusets: list[Cpuset | None], threads: int
) -> None:
    jobs = {JobPath("slurm", str(number)): cpuset for number, cpuset in enumerate(cpusets)}
    online = tuple(range(threads))
    for cpu, here in claims(jobs, {}, online).items():
        assert cpu in online
        if here[0].method == "exclusive":
            assert len(here) == 1
            for job, cpuset in jobs.items():
                assert cpuset is not None and cpuset.effective
                assert job == here[0].job or cpu not in cpuset.effective
