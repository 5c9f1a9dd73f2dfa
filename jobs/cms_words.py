"""The words of CMS operators for our actions, both ways.

Source: the actions of the operators' console in CMSCompOps/WorkflowWebTools (makeparams.js): clone,
acdc, recovery, and the special ones by-pass, force-complete and on-hold.
"""

from __future__ import annotations

from collections.abc import Mapping

from .actions import ActionKind

WORDS: Mapping[ActionKind, str] = {
    ActionKind.RECOVER: "acdc",
    ActionKind.RESUBMIT: "acdc",
    ActionKind.CLONE: "clone",
    ActionKind.BYPASS: "by-pass",
    ActionKind.FORCE_COMPLETE: "force-complete",
    ActionKind.HOLD: "on-hold",
}
_OWN = {kind.value: kind for kind in ActionKind}
# A "special" action is one that a person chooses.
KINDS: Mapping[str, ActionKind] = {
    **_OWN,
    "acdc": ActionKind.RECOVER,
    "recovery": ActionKind.RECOVER,
    "by-pass": ActionKind.BYPASS,
    "on-hold": ActionKind.HOLD,
    "special": ActionKind.ASK,
}


def kind_of(word: str) -> ActionKind:
    """The action behind a word of a history; ASK where it is none we know."""
    return KINDS.get(word, ActionKind.ASK)
