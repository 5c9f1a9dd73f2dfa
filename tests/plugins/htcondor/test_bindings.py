"""What the program that asks HTCondor makes of ads and of long queues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

classad2 = pytest.importorskip("classad2")

from jobmend.plugins.htcondor import bindings  # noqa: E402


def ad(**values: Any) -> Any:
    return classad2.ClassAd(values)


class Schedd:
    """A queue in memory that knows constraints."""

    def __init__(self, ads: list[Any]) -> None:
        self.ads = ads
        self.most = 0

    def query(
        self,
        constraint: str,
        names: list[str],
        callback: Callable[[Any], Any] | None = None,
        limit: int = -1,
    ) -> list[Any]:
        found = [one for one in self.ads if self._is(one, constraint)]
        found = found if limit < 0 else found[:limit]
        if callback is not None:
            return [callback(one) for one in found]
        self.most = max(self.most, len(found))
        return found

    def _is(self, one: Any, constraint: str) -> bool:
        asked = classad2.ClassAd()
        asked.update(one)
        asked["Asked"] = classad2.ExprTree(constraint)
        return asked.eval("Asked") is True


@pytest.mark.parametrize("jobs", [0, 2, 3, 4, 20])
def test_a_long_queue_is_read_whole_and_in_pages(
    jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bindings, "QUEUE_PAGE", 3)
    ids = [(1 + number // 7, number % 7) for number in range(jobs)]
    mixed = sorted(ids, key=lambda pair: (pair[1], -pair[0]))  # in no order
    schedd = Schedd([ad(ClusterId=c, ProcId=p, JobUniverse=5) for c, p in mixed])
    schedd.ads.append(ad(ClusterId=99, ProcId=0, JobUniverse=7))
    told = [(one["ClusterId"], one["ProcId"]) for one in bindings._queue(schedd, [])]
    assert sorted(told) == ids and schedd.most <= 3


def test_values_are_what_is_plain() -> None:
    told = ad(A=1, B="x", C=True, D=1.5, F=[1], G={"a": 1})
    told["E"] = classad2.ExprTree("A + 1")
    told["U"] = classad2.ExprTree("Unheard")
    told["X"] = classad2.ExprTree("1 / 0")
    names = ["A", "B", "C", "D", "E", "F", "G", "U", "X", "Absent"]
    assert bindings.values(told, names) == {"A": 1, "B": "x", "C": True, "D": 1.5, "E": 2}


def test_expressions_are_in_the_old_syntax() -> None:
    told = ad(A='a"b\\c', N="two\nlines", L=["x", 1], G={"a": "b"})
    told["E"] = classad2.ExprTree('strcat("x", A) =!= "y"')
    assert bindings.expressions(told) == {
        "A": '"a\\"b\\c"',
        "N": None,
        "L": '{ "x",1 }',
        "G": '[ a = "b" ]',
        "E": 'strcat("x",A) =!= "y"',
    }


def test_environments_are_merged() -> None:
    question = {"own": "A=1 B='x y'", "more": "B='a''b' C='$(X)'"}
    assert list(bindings.merge(question)) == [{"value": "A=1 B=a''''b C=$(X)"}]
    assert list(bindings.merge({"own": "no environment '", "more": ""})) == [{"value": None}]
