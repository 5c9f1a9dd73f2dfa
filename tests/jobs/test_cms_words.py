"""The words of CMS operators for our actions."""

from __future__ import annotations

import pytest

from jobmend.jobs.actions import ActionKind
from jobmend.jobs.cms_words import WORDS, kind_of


@pytest.mark.parametrize("kind", WORDS)
def test_a_word_means_the_action_it_stands_for(kind: ActionKind) -> None:
    same = {ActionKind.RESUBMIT: ActionKind.RECOVER}
    assert kind_of(WORDS[kind]) is same.get(kind, kind)


def test_our_own_words_mean_themselves_and_strange_ones_ask() -> None:
    assert all(kind_of(kind.value) is kind for kind in ActionKind)
    assert kind_of("recovery") is ActionKind.RECOVER
    assert kind_of("special") is kind_of("never heard") is kind_of("") is ActionKind.ASK
