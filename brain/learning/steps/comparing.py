"""Who is to be champion: a pure decision out of losses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from ....classifier.paired import LEAST_GROUPS, Mean, Paired, better, mean_loss
from ..subject import Numbers

Action = Literal["rollback", "promote", "shadow", "keep", "first"]
Who = Literal["champion", "previous", "shadow", "new"]
_PARTS = ("gain", "low", "wanted", "groups")


@dataclass(frozen=True)
class Decision:
    """What is to be done. ``arm`` and ``who`` name the model it is about, ``why`` is a sentence.

    ``who`` is ``new`` for an arm of this turn, ``shadow`` for the challenger of the turn before.
    ``figures`` has the numbers behind it, without those that nobody could judge. ``beside`` is an
    arm of this turn that goes into shadow beside a rollback; empty: none does.
    """

    action: Action
    arm: str
    why: str
    figures: Mapping[str, float] = field(default_factory=dict)
    who: Who = "champion"
    beside: str = ""


@dataclass(frozen=True)
class Pair:
    """Losses of the champion and of another model, ``arm``, on the same examples."""

    arm: str
    champion: Numbers
    other: Numbers
    groups: Sequence[str]


@dataclass(frozen=True)
class Contest:
    """All a decision looks at.

    ``validation`` has the mean loss of each arm of this turn, NaN where it judged nothing; ``new``
    is the best of them against the champion, on what is held out of the newest period. ``shadow``
    is the challenger of the turn before and ``previous`` the champion before this one, both on the
    whole newest period; None where there is none. ``won`` counts the turns that the shadow has won.
    """

    champion: str = ""  # its arm; empty: there is none yet
    validation: Mapping[str, float] = field(default_factory=dict)
    new: Pair | None = None
    shadow: Pair | None = None
    previous: Pair | None = None
    band: tuple[float, float] | None = None  # of the champion's mean loss, set at its promotion
    live: float = math.nan  # the champion's mean loss on the newest period
    won: int = 0


def best_of(validation: Mapping[str, float]) -> str:
    """The arm of least loss, the first of equals; empty where none was judged."""
    judged = {arm: loss for arm, loss in validation.items() if math.isfinite(loss)}
    return min(judged, key=lambda arm: judged[arm], default="")


def band_of(losses: Numbers, groups: Sequence[str], times: float, seed: int) -> tuple[float, float]:
    """Where the mean loss of a champion is expected: what it had when held out, and around it
    ``times`` the half-width of that mean's interval. NaN where nothing was judged.
    """
    mean = mean_loss(losses, groups, seed)
    return (
        mean.value - times * (mean.value - mean.low),
        mean.value + times * (mean.high - mean.value),
    )


def live_of(losses: Numbers, groups: Sequence[str], seed: int) -> Mean:
    """The champion's mean loss on the newest period, to be held against its band."""
    return mean_loss(losses, groups, seed)


def compare(contest: Contest, margin: float, shadow_turns: int, seed: int) -> Decision:
    """What to do: roll back, promote the shadow, put the best new arm in shadow, or keep.

    The first of these that the losses support; a new arm that beats the champion goes into shadow
    beside a rollback, too. Without a champion the best arm by validation is promoted at once, as is
    a new arm that beats the champion where ``shadow_turns`` is 0, or where the champion can no
    longer judge what is told.
    """
    figures = {f"validation {arm}": loss for arm, loss in contest.validation.items()}
    decision = _decide(contest, _Rules(margin, shadow_turns, seed), figures)
    known = {name: value for name, value in decision.figures.items() if math.isfinite(value)}
    return replace(decision, figures=known)


def _decide(contest: Contest, rules: _Rules, figures: dict[str, float]) -> Decision:
    if not contest.champion:
        return _first(contest, figures)
    for step in (_roll_back, _promote_shadow, _try_new):
        decision = step(contest, rules, figures)
        if decision is not None:
            return decision
    return Decision("keep", contest.champion, _kept(contest, figures), figures)


@dataclass(frozen=True)
class _Rules:
    margin: float
    shadow_turns: int
    seed: int


def _first(contest: Contest, figures: dict[str, float]) -> Decision:
    arm = best_of(contest.validation)
    if not arm:
        return Decision("keep", "", "no arm could be judged, and there is no champion", figures)
    loss = contest.validation[arm]
    others = len(contest.validation) - 1
    why = (
        f"there was no champion; {arm} has the least loss of {others + 1} on validation, {loss:.4g}"
    )
    return Decision("first", arm, why, figures, "new")


def _roll_back(contest: Contest, rules: _Rules, figures: dict[str, float]) -> Decision | None:
    if contest.band is None or not math.isfinite(contest.live):
        return None
    low, high = contest.band
    figures |= {"live": contest.live, "band low": low, "band high": high}
    if not contest.live > high or contest.previous is None:
        return None
    found = _judged(contest.previous, "previous", rules, figures)
    beyond, left = found.champion - high, found.challenger - high
    if not found.won or left > beyond / 2:  # where both err, it is the jobs that changed
        return None
    why = (
        f"the champion's loss, {contest.live:.4g}, left its band ({low:.4g} to {high:.4g}), "
        f"and the champion before it errs less: {_told(found)}"
    )
    new = _try_new(contest, rules, figures)
    beside = new.arm if new is not None and rules.shadow_turns > 0 else ""
    if beside:
        why += f"; {beside}, which errs less than the champion too, goes into shadow"
    return Decision("rollback", contest.previous.arm, why, figures, "previous", beside)


def _promote_shadow(contest: Contest, rules: _Rules, figures: dict[str, float]) -> Decision | None:
    if contest.shadow is None:
        return None
    found = _judged(contest.shadow, "shadow", rules, figures)
    if not found.won:
        return None
    arm, won = contest.shadow.arm, contest.won + 1
    if won < rules.shadow_turns:
        why = f"{arm} won in shadow {won} of {rules.shadow_turns} times: {_told(found)}"
        return Decision("shadow", arm, why, figures, "shadow")
    why = f"{arm} won again, in shadow, on the whole newest period: {_told(found)}"
    return Decision("promote", arm, why, figures, "shadow")


def _try_new(contest: Contest, rules: _Rules, figures: dict[str, float]) -> Decision | None:
    pair = contest.new
    if pair is None:
        return None
    if np.isnan(pair.champion).all() and np.isfinite(pair.other).any():
        why = f"the champion cannot judge what is told now, as {pair.arm} does"
        return Decision("promote", pair.arm, why, figures, "new")
    found = _judged(pair, "new", rules, figures)
    if not found.won:
        return None
    why = f"{pair.arm} errs less than the champion on what was held out: {_told(found)}"
    action: Action = "shadow" if rules.shadow_turns > 0 else "promote"
    return Decision(action, pair.arm, why, figures, "new")


def _kept(contest: Contest, figures: Mapping[str, float]) -> str:
    told = [
        _unsure(pair.arm + where, {part: figures[f"{name} {part}"] for part in _PARTS})
        for pair, name, where in (
            (contest.shadow, "shadow", " in shadow"),
            (contest.new, "new", ""),
        )
        if pair is not None
    ]
    return f"the champion stays: {'; '.join(told) or 'there is no challenger'}"


def _unsure(arm: str, of: Mapping[str, float]) -> str:
    if of["groups"] < LEAST_GROUPS:
        return f"{arm} has met {of['groups']:.0f} groups, too few: {LEAST_GROUPS} are wanted"
    return (
        f"{arm} is not surely better (a gain of {of['gain']:.4g}, at least {of['low']:.4g} with "
        f"95 %, more than {of['wanted']:.4g} is wanted; {of['groups']:.0f} groups)"
    )


def _judged(pair: Pair, name: str, rules: _Rules, figures: dict[str, float]) -> Paired:
    found = better(pair.champion, pair.other, pair.groups, rules.margin, rules.seed)
    figures |= {
        f"{name} champion": found.champion,
        f"{name} challenger": found.challenger,
        f"{name} gain": found.gain,
        f"{name} low": found.low,
        f"{name} high": found.high,
        f"{name} wanted": rules.margin * found.champion,
        f"{name} p": found.p,
        f"{name} groups": float(found.groups),
    }
    return found


def _told(found: Paired) -> str:
    return (
        f"{found.challenger:.4g} against {found.champion:.4g}, a gain of {found.gain:.4g} "
        f"({found.low:.4g} to {found.high:.4g}, p {found.p:.2g}, {found.groups} groups)"
    )
