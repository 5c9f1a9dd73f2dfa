"""Synthetic history, second part: the causes as arrays, the sites, and how both change over time.

The world is the same for every seed, so that what is learned on one history holds on another.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from .causes import BACKGROUND, BACKGROUND_SHARE, CAUSES, Cause

Floats = NDArray[np.float64]

DAYS: Final = 365.0
SITES: Final = 142
MOST_SITES: Final = 40  # that one task fails at
STATUS_BAD, STATUS_BAD_IN_OUTAGE = 0.015, 0.6  # of sites that are not the faulty one
OUTAGE_PULL: Final = 8.0  # how much likelier a site in an outage is the faulty one
_TIER_ONES = 12
_SEED = 20_260_101


@dataclass(frozen=True)
class Calendar:
    """Site by site: when it is out, and how its share of the work moves over the year."""

    activity: Floats  # log weight of each site
    waves: Floats  # [sites, 2]: amplitude and phase of its drift
    outages: Floats  # [outages, 3]: site, first day, last day

    def log_activity(self, days: Floats) -> Floats:
        """Log weight of each site at each of ``days``: ``[days, sites]``."""
        return self.activity + _wave(days, self.waves)

    def out(self, days: Floats) -> NDArray[np.bool_]:
        """Which sites are in an outage at each of ``days``: ``[days, sites]``."""
        table = np.zeros((len(days), len(self.activity)), dtype=bool)
        for site, first, last in self.outages:
            table[:, int(site)] |= (days >= first) & (days < last)
        return table


@dataclass(frozen=True)
class World:
    """All that the draws depend on; arrays are in the order of ``causes`` first."""

    causes: tuple[str, ...]
    codes: tuple[str, ...]
    sites: tuple[str, ...]
    shares: Floats
    waves: Floats  # [causes, 2]
    concentration: Floats  # [causes, codes]: the Dirichlet of a task's code mixture
    site_counts: Floats  # [causes, MOST_SITES]: probability of 1, 2, ... sites
    failures: Floats  # [causes, 2]: mean and deviation of log failures beyond one a site
    pull: Floats  # the Dirichlet of a task's site mixture: at the faulty site, if any,
    spread: Floats  # and at each of the others
    noticed: Floats
    calendar: Calendar

    def prior(self, days: Floats) -> Floats:
        """Probability of each cause at each of ``days``: ``[days, causes]``."""
        weights = self.shares * np.exp(_wave(days, self.waves))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _wave(days: Floats, waves: Floats) -> Floats:
    turns = 2 * np.pi * days[:, None] / DAYS
    return np.asarray(waves[:, 0] * np.sin(turns + waves[:, 1]))


def build(allowed: Collection[str]) -> World:
    """The world in which only the ``allowed`` causes happen."""
    causes = list(CAUSES.values())
    codes = _codes()
    return World(
        causes=tuple(CAUSES),
        codes=codes,
        sites=tuple(_site_name(number) for number in range(SITES)),
        shares=np.array([c.share * (name in allowed) for name, c in CAUSES.items()]),
        waves=np.array([cause.wave for cause in causes]),
        concentration=np.array([_concentration(cause, codes) for cause in causes]),
        site_counts=np.array([_site_counts(*cause.sites) for cause in causes]),
        failures=np.array([(np.log(c.failures[0]), c.failures[1]) for c in causes]),
        pull=np.array([cause.pull for cause in causes]),
        spread=np.array([0.6 if cause.pull else 1.2 for cause in causes]),
        noticed=np.array([cause.noticed for cause in causes]),
        calendar=_calendar(),
    )


def _codes() -> tuple[str, ...]:
    words = {code for cause in CAUSES.values() for code in cause.codes} | set(BACKGROUND)
    return tuple(sorted(words, key=int))


def _site_name(number: int) -> str:
    return f"T{1 if number < _TIER_ONES else 2}_XX_Site{number + 1:03d}"


def _concentration(cause: Cause, codes: tuple[str, ...]) -> Floats:
    own, background = (
        np.array([weights.get(code, 0.0) for code in codes]) / sum(weights.values())
        for weights in (cause.codes, BACKGROUND)
    )
    everywhere = np.full(len(codes), 1 / len(codes))
    noise = 0.95 * background + 0.05 * everywhere  # any code may come, so that none proves a cause
    return np.asarray(cause.steadiness * ((1 - BACKGROUND_SHARE) * own + BACKGROUND_SHARE * noise))


def _site_counts(median: float, deviation: float) -> Floats:
    """A log-normal, discretised and cut off at MOST_SITES."""
    edges = (np.log(np.arange(1, MOST_SITES + 2) - 0.5) - np.log(median)) / deviation
    weights = np.diff(ndtr(edges))
    return np.asarray(weights / weights.sum())


def _calendar() -> Calendar:
    """A few sites do most of the work; each is out about twice a year, for some 8 days."""
    rng = np.random.default_rng(_SEED)
    rank = np.arange(SITES)
    count = rng.poisson(2.2, size=SITES)
    first = rng.uniform(-10, DAYS, size=count.sum())
    last = first + rng.gamma(2.0, 4.0, size=count.sum())
    return Calendar(
        activity=-2.5 * np.log(rank + 10.0),
        waves=np.column_stack([rng.uniform(0, 0.8, SITES), rng.uniform(0, 2 * np.pi, SITES)]),
        outages=np.column_stack([np.repeat(rank, count), first, last]),
    )
