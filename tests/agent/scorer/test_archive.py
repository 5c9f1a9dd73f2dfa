"""A signed model whose parts do not fit is refused in one sentence, whatever is in it."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobmend.agent.scorer import archive
from jobmend.agent.scorer.model import EdgeModel
from jobmend.classifier.traces.export import export
from jobmend.jobs.sealing import SealError
from tests.agent.scorer.conftest import KEY, drawn, edge, exportable
from tests.agent.scorer.parts import Members, members, npy, sealed_again, with_header


def taken(parts: Members) -> EdgeModel:
    return EdgeModel(archive.read(sealed_again(parts), KEY))


def test_the_same_parts_make_the_same_model(sealed: bytes) -> None:
    window = drawn(1, 3)[0]
    here, again = EdgeModel(archive.read(sealed, KEY)), taken(members(sealed))
    np.testing.assert_array_equal(here.score(window), again.score(window))


def test_the_same_model_is_exported_as_the_same_version() -> None:
    first, second = edge(exportable("pca")), edge(exportable("pca"))
    assert first.version == second.version != edge(exportable("kmeans")).version


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("scaling.median.npy", np.zeros(3), "scaling does not fit"),
        ("scaling.scale.npy", np.zeros(10), "not positive"),
        ("scaling.scale.npy", np.full(10, np.nan), "no finite number"),
        ("t.back.weight.npy", np.zeros((1, 3, 5), np.float32), "do not fit together"),
        ("t.project.weight.npy", np.zeros(2, np.float32), "do not fit together"),
        ("calibration.0.npy", np.array([2.0, 1.0]), "not in order"),
        ("calibration.0.npy", np.array(["a"]), "no finite number"),
        ("header.npy", np.frombuffer(b"[]", np.uint8), "no JSON object"),
        ("header.npy", np.frombuffer(b"{{", np.uint8), "no archive of a model"),
    ],
)
def test_parts_that_do_not_fit_are_named(name: str, array: Any, words: str, sealed: bytes) -> None:
    with pytest.raises(SealError, match=words) as caught:
        taken({**members(sealed), name: npy(array)})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda h: h.update(layers=[{"op": "eval"}]), "that this version does not know"),
        (lambda h: h.update(layers=[{"op": "linear"}]), "do not fit together"),
        (lambda h: h.update(layers="relu"), "no list of layers"),
        (lambda h: h.update(steps=10**9), "make no window"),
        (lambda h: h.update(steps=9), "do not fit together"),
        (lambda h: h.update(steps=float("inf")), "do not fit together"),
        (lambda h: h.update(features=[]), "make no window"),
        (lambda h: h["layers"].insert(1, {"op": "graph", "heads": 0}), "do not fit together"),
        (lambda h: h["layers"].insert(1, {"op": "flat", "steps": 10**400}), "do not fit together"),
        (lambda h: h.update(step_seconds=0.0), "make no window"),
        (lambda h: h.pop("step_seconds"), "do not fit together"),
        (lambda h: h.pop("calibration"), "do not fit together"),
        (lambda h: h["calibration"].update(statistic="mode"), "statistic that this version"),
        (lambda h: h["calibration"].update(kinds=["fit"]), "jobs of unknown type"),
        (lambda h: h.update(head="forest"), "do not fit together"),
    ],
)
def test_headers_that_do_not_fit_are_refused(
    change: Callable[[dict[str, Any]], object], words: str, sealed: bytes
) -> None:
    with pytest.raises(SealError, match=words):
        taken(with_header(members(sealed), change))


def test_a_model_that_is_lost_for_words_at_a_wild_reading_is_refused(sealed: bytes) -> None:
    # Zeros come out as zeros; what is 20 scales away does not fit into float32.
    wide, zero = np.full((1, 80, 1), 1e18, np.float32), np.zeros((1, 1, 80), np.float32)
    arrays = {"project.weight": wide, "back.weight": wide.swapaxes(1, 2), "back.bias": zero}
    parts = {f"t.{name}.npy": npy(array) for name, array in arrays.items()}
    with pytest.raises(SealError, match="cannot score a window"), np.errstate(all="ignore"):
        taken({**members(sealed), **parts, "t.pca.mean.npy": npy(zero[0, 0])})


def test_scores_of_the_calibration_may_be_of_any_type_of_number(sealed: bytes) -> None:
    unsorted = np.array([3, 1], np.uint8)  # whose differences are never negative
    with pytest.raises(SealError, match="not in order"):
        taken({**members(sealed), "calibration.0.npy": npy(unsorted)})


def test_a_run_is_judged_by_its_own_threads_wherever_they_are(sealed: bytes) -> None:
    model, window = EdgeModel(archive.read(sealed, KEY)), drawn(1, 6, seed=3)[0]
    owners = ["a", None, "b", "a", None, "b"]
    found, scores = model.judge(window, owners, {}), model.score(window)
    assert sorted(found) == ["a", "b"]
    assert found["a"]["score"] == pytest.approx(np.nanmean(scores[[0, 3]]))
    assert found["b"]["score"] == pytest.approx(np.nanmean(scores[[2, 5]]))


def test_a_pickle_is_not_read(sealed: bytes) -> None:
    evil = npy(np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(SealError, match="no archive of a model"):
        taken({**members(sealed), "t.back.bias.npy": evil})


def test_what_unpacks_to_too_much_is_not_unpacked(sealed: bytes) -> None:
    bomb = npy(np.zeros(archive.MAX_UNPACKED_BYTES // 8 + 1))
    with pytest.raises(SealError, match="bytes"):
        taken({**members(sealed), "t.more.npy": bomb})
    many = {f"t.{place}.npy": npy(np.zeros(1)) for place in range(archive.MAX_MEMBERS)}
    with pytest.raises(SealError, match="more than 512 arrays"):
        taken({**members(sealed), **many})


def test_a_forest_that_leads_in_circles_is_refused() -> None:
    parts = members(seal_of("isolation-forest"))
    left = np.load(io.BytesIO(parts["t.left.npy"]))
    for changed in (np.zeros_like(left), left + len(left)):
        with pytest.raises(SealError, match="lead nowhere"):
            taken({**parts, "t.left.npy": npy(changed)})
    with pytest.raises(SealError, match="what is not there"):
        taken({**parts, "t.feature.npy": npy(np.full_like(left, 10**6))})


@cache
def seal_of(name: str) -> bytes:
    return export(exportable(name), KEY)


@settings(max_examples=60)
@given(data=st.data())
def test_no_damaged_part_does_more_than_raise(data: st.DataObject) -> None:
    parts = members(seal_of("pca"))
    name = data.draw(st.sampled_from(sorted(parts)))
    damaged = bytearray(parts[name])
    place = data.draw(st.integers(0, len(damaged) - 1))
    damaged[place] ^= data.draw(st.integers(1, 255))
    try:
        taken({**parts, name: bytes(damaged)})
    except SealError as error:
        assert "\n" not in str(error)
