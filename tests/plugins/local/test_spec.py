from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.jobs.fields import WireError
from jobmend.plugins.local.spec import JobSpec, new_spec, read_spec, spec_from_json

SPEC = JobSpec(
    argv=("sh", "-c", "echo $1", "\udcff"),
    cwd="/tmp",
    workflow="w/1",
    site="s",
    name="<b>\x1b[2J",
    comment="c",
    memory_bytes=300 << 20,
    walltime_seconds=1.5,
    cpus=2,
    env={"A": "1=2", "B": ""},
    stdout="/tmp/o",
)


def test_there_and_back() -> None:
    assert spec_from_json(SPEC.to_json()) == SPEC
    assert SPEC.to_json().isascii()


@given(
    st.builds(
        JobSpec,
        argv=st.lists(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
        ).map(lambda words: ("x", *words)),
        cwd=st.just("/"),
        name=st.text(
            st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=256
        ),
        memory_bytes=st.none() | st.integers(1, 2**62),
        walltime_seconds=st.none() | st.floats(0.001, 1e9),
        cpus=st.integers(1, 4096),
    )
)
def test_any_good_spec_goes_there_and_back(spec: JobSpec) -> None:
    assert spec_from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"argv": []}, "job.argv: empty, a command is wanted"),
        ({"argv": ["a", "b\0c"]}, "job.argv[1]: holds a NUL character"),
        ({"argv": ["a", 1]}, "job.argv[1]: a string is wanted"),
        ({"argv": ["x" * (1 << 17)]}, "job.argv[0]: longer than 131071 bytes"),
        ({"name": "n" * 10_000_000}, "job.name: longer than 256 characters"),
        ({"comment": "a\0"}, "job.comment: holds a NUL character"),
        ({"name": "\ud800"}, "job.name: holds characters that no command line can"),
        ({"cwd": "tmp"}, "job.cwd: not absolute"),
        ({"stdout": "out"}, "job.stdout: not absolute"),
        ({"cpus": 0}, "job.cpus: 0, between 1 and 4096 are wanted"),
        ({"cpus": True}, "job.cpus: a boolean, a whole number is wanted"),
        ({"memory_bytes": 0}, "job.memory_bytes: 0, more than 0 is wanted"),
        ({"memory_bytes": 2**64}, "job.memory_bytes: outside 64 bits"),
        ({"walltime_seconds": -1}, "job.walltime_seconds: negative"),
        ({"env": ["A"]}, "job.env: NAME=value is wanted"),
        ({"env": {"A": "1"}}, "job.env: an object, a list is wanted"),
        ({"site": None}, "job.site: null, a string is wanted"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(WireError) as error:
        read_spec({**SPEC.document(), **change})
    assert str(error.value) == problem


@pytest.mark.parametrize("text", ["", "[", "[]", "3", "[" * 100_000])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(WireError):
        spec_from_json(text)


def test_unknown_fields_are_passed_over() -> None:
    assert spec_from_json(json.dumps({**SPEC.document(), "later": 1})) == SPEC


def test_as_a_person_writes_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JM_A", "1")
    spec = new_spec(["/bin/fit", "x"], memory="1G", walltime="1:00", variables=["JM_A", "JM_NONE"])
    assert spec == JobSpec(
        argv=("/bin/fit", "x"),
        cwd=str(tmp_path),
        workflow="fit",
        memory_bytes=1 << 30,
        walltime_seconds=60.0,
        env={"JM_A": "1"},
    )
