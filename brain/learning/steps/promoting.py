"""Steps promote and publish: what a decision changes, each of it once whatever is interrupted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ....classifier import artifact
from ....classifier.artifact import ArtifactError
from ....classifier.paired import LEAST_GROUPS, mean_loss
from ...models import champions
from ...store import Store
from .. import folders
from ..incumbents import Shadow, trained_by_hand
from ..work import Work
from .comparing import Decision, band_of
from .evaluating import CHAMPION, NEW, SHADOW, Evaluated, Losses
from .splitting import HELD_OUT, NEWEST
from .training import path_of

BY = "jobmend learn"  # who rolled back, for the audit


@dataclass(frozen=True)
class Promoted:
    """``before`` and ``after`` are numbers of champions, 0: none; ``shadow`` waits from now on."""

    before: int
    after: int
    shadow: Shadow | None


@dataclass(frozen=True)
class Published:
    """``digest`` of the model in use; empty where there is none."""

    digest: str
    changed: bool


def promote(
    work: Work[Any],
    store: Store,
    decision: Decision,
    evaluated: Evaluated,
    lineage: Mapping[str, Any],
    waiting: Shadow | None,
) -> Promoted:
    """Carry out a decision in store and folders. ``lineage`` is that of this turn's best arm.

    ChampionError where the champion was replaced since it was compared with.
    """
    shadow: Shadow | None = None
    if decision.action in ("rollback", "promote", "first"):
        _check_by_hand(work, store, evaluated)
    if decision.action == "rollback":
        _roll_back(work, store, decision, evaluated.over)
        if decision.beside:
            shadow = _new_shadow(work, decision.beside, lineage)
    elif decision.action in ("promote", "first"):
        _promote(work, store, decision, evaluated.over, lineage, waiting)
    elif decision.action == "shadow" and decision.who == "shadow" and waiting is not None:
        shadow = Shadow(waiting.turn, waiting.arm, waiting.won + 1, waiting.body)
    elif decision.action == "shadow":
        shadow = _new_shadow(work, decision.arm, lineage)
    elif waiting is not None and evaluated.shadow and _unjudged(decision):
        shadow = waiting
    with store.read() as db:
        newest = champions.newest(db, work.subject.name)
    return Promoted(evaluated.over, newest.number if newest else 0, shadow)


def publish(work: Work[Any], store: Store) -> Published:
    """Have the newest champion in use, unless a person put a model of his own there since.

    A model that was trained by hand gives way to a champion that this turn made, and to no other.
    """
    name, before = work.subject.name, _in_use(work)
    with store.read() as db:
        newest, by_hand = champions.newest(db, name), trained_by_hand(work, db)
    ours = newest is not None and newest.turn == work.id
    if newest is not None and newest.digest != before and (ours or by_hand is None):
        champions.publish(store, work.models, name)
    after = _in_use(work)
    return Published(after, after != before)


def band(
    decision: Decision, losses: Mapping[str, Losses], times: float, seed: int
) -> list[float] | None:
    """Where the loss of the model that is promoted is expected; None where that is not known."""
    part, name = (NEWEST, SHADOW) if decision.who == "shadow" else (HELD_OUT, NEW)
    found = losses[part]
    if name not in found.by_model:
        return None
    edges = band_of(found.by_model[name], found.groups, times, seed)
    return None if any(math.isnan(edge) for edge in edges) else list(edges)


def mean_losses(losses: Mapping[str, Losses], seed: int) -> dict[str, float]:
    """Mean losses of the champion on the newest period, and of the challenger where it was judged:
    in shadow on that too, else on what was held out. What is not known is absent.
    """
    shadow = SHADOW in losses[NEWEST].by_model
    part, name = (NEWEST, SHADOW) if shadow else (HELD_OUT, NEW)
    wanted = {CHAMPION: (NEWEST, CHAMPION), "challenger": (part, name)}
    found = {
        who: mean_loss(losses[of].by_model[model], losses[of].groups, seed).value
        for who, (of, model) in wanted.items()
        if model in losses[of].by_model
    }
    return {who: loss for who, loss in found.items() if math.isfinite(loss)}


def _check_by_hand(work: Work[Any], store: Store, evaluated: Evaluated) -> None:
    """ChampionError where a model was trained by hand that nothing was compared with."""
    with store.read() as db:
        by_hand = trained_by_hand(work, db)
    if by_hand is not None and evaluated.champion != by_hand.arm:
        raise champions.ChampionError(
            f"{work.subject.name}: a model was trained by hand while turn {work.id} ran; "
            "it stays in use, the next turn compares with it"
        )


def _promote(
    work: Work[Any],
    store: Store,
    decision: Decision,
    over: int,
    lineage: Mapping[str, Any],
    waiting: Shadow | None,
) -> None:
    model, body = path_of(work, decision.arm), dict(lineage)
    if decision.who == "shadow" and waiting is not None:
        model = folders.shadow_of(work.models, work.subject.name, waiting.turn)
        body = {**waiting.body, "band": lineage.get("band"), "figures": lineage.get("figures")}
    champions.promote(
        store,
        work.models,
        work.subject.name,
        model,
        turn=work.id,
        now=work.begun,
        why=decision.why,
        body=body,
        over=over,
    )


def _roll_back(work: Work[Any], store: Store, decision: Decision, over: int) -> None:
    """Put the champion before ``over`` in use; ChampionError where a person was faster."""
    with store.read() as db:
        newest = champions.newest(db, work.subject.name)
        before = champions.previous(db, work.subject.name)
    if newest is not None and newest.turn == work.id:
        return
    if newest is None or before is None or newest.number != over:
        raise champions.ChampionError(
            f"{work.subject.name}: champion {over} was replaced while turn {work.id} ran; "
            "nothing was rolled back, the next turn compares anew"
        )
    champions.roll_back(
        store,
        work.config,
        work.subject.name,
        before.number,
        BY,
        decision.why,
        work.begun,
        turn=work.id,
        publishes=False,
    )


def _new_shadow(work: Work[Any], arm: str, lineage: Mapping[str, Any]) -> Shadow:
    """Keep the model beside the turns' folders, which are removed one day."""
    target = folders.shadow_of(work.models, work.subject.name, work.id)
    artifact.copy(path_of(work, arm), target)
    return Shadow(work.id, arm, 0, lineage)


def _unjudged(decision: Decision) -> bool:
    """Were there too few groups to say anything of the model in shadow?"""
    return decision.figures.get("shadow groups", 0.0) < LEAST_GROUPS


def _in_use(work: Work[Any]) -> str:
    try:
        return artifact.digest(work.models / work.subject.name)
    except ArtifactError:
        return ""
