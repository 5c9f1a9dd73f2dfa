"""Step register: the registry is told of the turn; without one, or where it is away, a note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ....classifier.artifact import write_whole
from ....classifier.environment import environment
from ... import drifts
from ...store import Store
from .. import folders
from ..incumbents import Shadow
from ..journal import NAME as JOURNAL
from ..registry import made_by
from ..registry.logged_turn import LoggedArm, LoggedTurn, Part
from ..turns import TurnState
from ..work import Work
from .evaluating import CHAMPION, NEW, SHADOW, read_losses
from .splitting import HELD_OUT, NEWEST
from .training import Trained

if TYPE_CHECKING:
    from ..registry.registering import Challenger
    from ..registry.registry import Registry

PICTURE = "competition.png"

# Of brain.toml: what decides how a turn learns.
_SETTINGS = ("days", "replay", "max_examples", "margin", "shadow_turns", "novel_p", "band", "seed")


@dataclass(frozen=True)
class Registered:
    """``notes`` are what could not be registered, one sentence each."""

    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Told:
    """What is told of a turn beside its settings."""

    state: TurnState
    why: str
    parts: Sequence[Part] = ()
    trained: Sequence[Trained] = ()
    validation: Mapping[str, float | None] | None = None
    figures: Mapping[str, float] | None = None
    shadow: Shadow | None = None


def register(
    work: Work[Any], store: Store, registry: Registry | None, told: Told, ended: float
) -> Registered:
    """Tell ``registry`` of the turn, its champion and its challenger; told twice, all is once."""
    if registry is None:
        return Registered()
    from ..registry.registering import record

    _draw(work, store, told)
    logged, challenger = _logged(work, told, ended), _challenger(work, told.shadow)
    return Registered(record(store, registry, work.models, logged, challenger))


def catch_up(
    work: Work[Any], store: Store, registry: Registry | None, shadow: Shadow | None
) -> Registered:
    """Tell ``registry`` what it missed before; the turn itself came to nothing worth telling."""
    if registry is None:
        return Registered()
    from ..registry import registering

    challenger, name = _challenger(work, shadow), work.subject.name
    return Registered(registering.catch_up(store, registry, work.models, name, challenger))


def _challenger(work: Work[Any], shadow: Shadow | None) -> Challenger | None:
    if shadow is None:
        return None
    from ..registry.registering import Challenger

    where = folders.shadow_of(work.models, work.subject.name, shadow.turn)
    return Challenger(shadow.turn, where, {"jobmend.arm": shadow.arm})


def _draw(work: Work[Any], store: Store, told: Told) -> None:
    """Put a picture of the turn beside its journal; none where it did not come to compare."""
    if told.validation is None:
        return
    from ..registry.pictures import picture

    losses = read_losses(work)
    shadow = losses[NEWEST]
    part, other = (shadow, SHADOW) if SHADOW in shadow.by_model else (losses[HELD_OUT], NEW)
    with store.read() as db:
        drifted = drifts.of_turn(db, work.id)
    of = part.by_model
    drawn = picture(
        work.subject.name, told.validation, part.groups, of.get(CHAMPION), of.get(other), drifted
    )
    write_whole(work.folder / PICTURE, drawn)


def _logged(work: Work[Any], told: Told, ended: float) -> LoggedTurn:
    learning = work.config.learning
    return LoggedTurn(
        subject=work.subject.name,
        turn=work.id,
        begun=work.begun,
        ended=ended,
        state=told.state.value,
        why=told.why,
        params={name: getattr(learning, name) for name in _SETTINGS},
        metrics=dict(told.figures or {}),
        parts=tuple(told.parts),
        arms=tuple(_arm(one, told.validation or {}) for one in told.trained),
        code=made_by.code(),
        environment=environment(),
        files=(work.folder / JOURNAL, work.folder / PICTURE),
    )


def _arm(trained: Trained, validation: Mapping[str, float | None]) -> LoggedArm:
    loss = validation.get(trained.arm)
    metrics = {} if loss is None else {"validation loss": loss}
    return LoggedArm(trained.arm, trained.params, metrics, trained.why_not)
