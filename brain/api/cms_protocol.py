"""Our actions in the words of CMS operations, as executors of that console fetch them.

Source: CMSCompOps/WorkflowWebTools, ``manageactions.py``, and the console's ``makeparams.js``.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from ...classifier.failures.labels import PARTS_ONLY
from ...jobs.actions import Action, Recommendation
from ...jobs.cms_words import WORDS
from ...jobs.text import printable
from ..decisions import decision_of

SPECIAL = "special"  # the console's action whose parameter says which it is
ALL_STEPS = "AllSteps"  # parameters for every task; our workflows have no tasks of their own

_SPECIAL_WORDS = frozenset({"by-pass", "force-complete", "on-hold"})


class ActionDocument(BaseModel):
    """One action as an executor fetches it."""

    action: str = Field(serialization_alias="Action")
    reasons: list[str] = Field(serialization_alias="Reasons")
    parameters: dict[str, Any] = Field(serialization_alias="Parameters")
    user: str


class ReportAnswer(BaseModel):
    """What became of a report; without a valid key and format nothing was changed."""

    valid_key: bool
    valid_format: bool
    success: list[str] = []
    already_reported: list[str] = []
    does_not_exist: list[str] = []


def document(recommendation: Recommendation, user: str) -> ActionDocument:
    """A recommendation's action; LookupError where the protocol has no word for it."""
    action = recommendation.advice.action
    word = WORDS[action.kind]
    special = word in _SPECIAL_WORDS
    return ActionDocument(
        action=SPECIAL if special else word,
        reasons=[printable(one.text, 400) for one in recommendation.advice.evidence],
        parameters={"action": word} if special else parameters(action, word),
        user=user,
    )


def parameters(action: Action, word: str) -> dict[str, Any]:
    """The parameters that are set: memory in MB, splitting as ``2x``, xrootd as ``enabled``.

    What the console has no parameter for (walltime in seconds, what to avoid) stands beside them.
    """
    words = decision_of(action)
    given: dict[str, Any] = {
        "memory": words.memory,
        "splitting": words.splitting,
        "xrootd": words.data_access,
        "sites": list(words.sites),
        "walltime": action.walltime_seconds,
        "sites_avoid": list(action.sites_avoid),
        "nodes_avoid": list(action.nodes_avoid),
    }
    told = {name: value for name, value in given.items() if value}
    return {ALL_STEPS: told} if word in PARTS_ONLY else told
