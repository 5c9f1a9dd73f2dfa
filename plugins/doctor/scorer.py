"""What the agent's own page says of scoring at the edge; nothing where that is switched off."""

from __future__ import annotations

from .findings import Check, Finding
from .page import Page

SCORER = Check("scorer", "docs/edge-scorer.md")

_PREFIX = "jobmend_agent_scorer"


def examine(page: Page) -> list[Finding]:
    """Does the scorer run, with the brain's model, and does it answer?"""
    return [check_scorer(page)] if page.of(f"{_PREFIX}_up") else []


def check_scorer(page: Page) -> Finding:
    """Does it score with a model that the brain and the scorer agree on?"""
    if page.total(f"{_PREFIX}_fetches_total", result="refused"):
        text = "a model of the brain was refused; the one before stays"
        return SCORER.bad(text, "the agent's log says why: size, damage, format or key")
    if page.total(f"{_PREFIX}_models_total", result="refused"):
        text = "a model could not be used; the one before stays"
        return SCORER.bad(text, "the agent's log says why; have the brain train it anew")
    model = [one.labels.get("version", "?") for one in page.of(f"{_PREFIX}_model_info")]
    told = {word: page.total(f"{_PREFIX}_windows_total", result=word) for word in _WORDS}
    if told["failed"] > max(told["scored"], 1) / 100 or told["dropped"] > max(told["scored"], 1):
        text = f"{told['failed']:g} windows had no answer in time, {told['dropped']:g} were dropped"
        return SCORER.bad(text, "the agent's log says why; is NumPy here (python3-numpy)?")
    if told["refused"]:
        text = f"{told['refused']:g} windows have another shape than the model reads"
        return SCORER.bad(text, "set [window] steps of all agents alike, or train anew")
    if not model:
        failed = page.total(f"{_PREFIX}_fetches_total", result="failed")
        text = "there is no model yet"
        cure = "the agent's log says why none comes" if failed else "train one: jobmend learn"
        return SCORER.note(text, cure)
    return SCORER.good(f"model {model[0]}: {told['scored']:g} windows scored")


_WORDS = ("scored", "failed", "refused", "dropped")
