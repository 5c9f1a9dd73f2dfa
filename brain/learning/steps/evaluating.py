"""Step evaluate: how much each model errs, on what none of them learned from in this turn."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ....classifier.artifact import write_whole
from ...nan import or_nan, or_none
from ..incumbents import Incumbent, Incumbents
from ..subject import Content, Example, Model, Numbers
from ..work import Work
from .comparing import Contest, Pair, best_of, live_of
from .splitting import HELD_OUT, NEWEST, VALIDATION
from .training import path_of

FILE = "losses.json"
NEW, CHAMPION, SHADOW, PREVIOUS = "new", "champion", "shadow", "previous"


@dataclass(frozen=True)
class Evaluated:
    """``validation`` is the mean loss by arm, None where it judged nothing; ``best`` the least.

    ``champion``, ``shadow`` and ``previous`` are arms, empty where there is none; ``over`` is the
    number of the champion that was compared with. The losses themselves are in the file.
    """

    best: str
    validation: Mapping[str, float | None]
    champion: str
    shadow: str
    previous: str
    over: int
    band: tuple[float, float] | None
    won: int


@dataclass(frozen=True)
class Losses:
    """Losses by model on one part of the examples, whose groups are ``groups``."""

    groups: Sequence[str]
    by_model: Mapping[str, Numbers] = field(default_factory=dict)


def evaluate(
    work: Work[Content],
    arms: Sequence[str],
    parts: Mapping[str, Sequence[Example[Content]]],
    incumbents: Incumbents,
) -> Evaluated:
    """Judge ``arms`` on part ``validation``, the best of them and the champion on ``held-out``, and
    champion, shadow and the champion before on ``newest``. The losses go into the turn's folder.
    """
    models = {arm: work.subject.load(path_of(work, arm)) for arm in arms}
    validation = {
        arm: mean(_losses(work, model, parts[VALIDATION])) for arm, model in models.items()
    }
    best = best_of(validation)
    _write(work, _all_judged(work, models.get(best), parts, incumbents))
    return Evaluated(
        best=best,
        validation={arm: or_none(loss) for arm, loss in validation.items()},
        champion=_arm(incumbents.champion),
        shadow=_arm(incumbents.shadow),
        previous=_arm(incumbents.previous),
        over=incumbents.number,
        band=incumbents.champion.band if incumbents.champion else None,
        won=incumbents.waiting.won if incumbents.waiting else 0,
    )


def _all_judged(
    work: Work[Content],
    best: Model | None,
    parts: Mapping[str, Sequence[Example[Content]]],
    incumbents: Incumbents,
) -> dict[str, Losses]:
    champion = _model(incumbents.champion)
    held = {NEW: best, CHAMPION: champion}
    newest = {
        CHAMPION: champion,
        SHADOW: _model(incumbents.shadow),
        PREVIOUS: _model(incumbents.previous),
    }
    return {
        HELD_OUT: _judged(work, held, parts[HELD_OUT]),
        NEWEST: _judged(work, newest, parts[NEWEST]),
    }


def contest_of(work: Work[Any], evaluated: Evaluated, losses: Mapping[str, Losses]) -> Contest:
    """What a decision looks at, out of the losses that were read back."""
    held, newest = losses[HELD_OUT], losses[NEWEST]
    live = math.nan
    if CHAMPION in newest.by_model:
        live = live_of(newest.by_model[CHAMPION], newest.groups, work.seed).value
    return Contest(
        champion=evaluated.champion,
        validation={arm: or_nan(loss) for arm, loss in evaluated.validation.items()},
        new=_pair(held, NEW, evaluated.best),
        shadow=_pair(newest, SHADOW, evaluated.shadow),
        previous=_pair(newest, PREVIOUS, evaluated.previous),
        band=evaluated.band,
        live=live,
        won=evaluated.won,
    )


def read_losses(work: Work[Any]) -> dict[str, Losses]:
    """The losses by part: ``held-out`` and ``newest``."""
    document = json.loads((work.folder / FILE).read_bytes())
    return {
        part: Losses(
            told["groups"],
            {name: np.array(losses, np.float64) for name, losses in told["losses"].items()},
        )
        for part, told in document.items()
    }


def mean(losses: Numbers) -> float:
    """Of the examples that were judged; NaN where none was."""
    judged = losses[~np.isnan(losses)]
    return float(judged.mean()) if len(judged) else math.nan


def _losses(work: Work[Content], model: Model, examples: Sequence[Example[Content]]) -> Numbers:
    if not examples:
        return np.empty(0)
    return work.subject.losses(model, examples)


def _judged(
    work: Work[Content], models: Mapping[str, Model | None], examples: Sequence[Example[Content]]
) -> Losses:
    losses = {
        name: _losses(work, model, examples) for name, model in models.items() if model is not None
    }
    return Losses([one.group for one in examples], losses)


def _pair(losses: Losses, name: str, arm: str) -> Pair | None:
    if name not in losses.by_model or CHAMPION not in losses.by_model:
        return None
    return Pair(arm, losses.by_model[CHAMPION], losses.by_model[name], losses.groups)


def _write(work: Work[Any], found: Mapping[str, Losses]) -> None:
    document = {
        part: {
            "groups": list(losses.groups),
            "losses": {
                name: [or_none(float(one)) for one in values]
                for name, values in losses.by_model.items()
            },
        }
        for part, losses in found.items()
    }
    write_whole(work.folder / FILE, json.dumps(document).encode())


def _model(incumbent: Incumbent | None) -> Model | None:
    return incumbent.model if incumbent else None


def _arm(incumbent: Incumbent | None) -> str:
    return incumbent.arm if incumbent else ""
