from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from jobmend.brain.promql_text import one_of, quoted


@given(st.text(st.characters()))
def test_no_text_ends_its_string(text: str) -> None:
    told = quoted(text)
    assert re.fullmatch(r'"([^"\\\n]|\\.)*"', told)
    assert json.loads(told) == text.encode("utf-8", "replace").decode()


@given(st.lists(st.text(alphabet=st.sampled_from('a.*|+?()[]{}^$\\"\n')), min_size=1))
def test_a_pattern_matches_these_values_alone(values: list[str]) -> None:
    pattern = json.loads(one_of(values))
    for value in (*values, "ab", ".*"):
        assert bool(re.fullmatch(pattern, value)) == (value in values)
