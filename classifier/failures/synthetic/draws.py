"""Synthetic history, third part: failures of tasks, drawn from the latent causes.

The draws are made so that the posterior of the cause is an exact finite sum
(:mod:`.posterior`); ``docs/synthetic-history.md`` has the formulas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from .world import DAYS, OUTAGE_PULL, STATUS_BAD, STATUS_BAD_IN_OUTAGE, World

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Observed:
    """What is seen of each task: the three margins hold all that tells causes apart."""

    days: Floats
    codes: Ints  # [tasks, codes]: failures
    sites: Ints  # [tasks, sites]: failures; the task failed where this is > 0
    bad: NDArray[np.bool_]  # [tasks, sites]: status, where it failed


@dataclass(frozen=True)
class Cells:
    """The failures of all tasks by code and site, ``counts > 0``, tasks in order."""

    tasks: Ints
    codes: Ints
    sites: Ints
    counts: Ints


def draw(rng: Generator, world: World, n: int) -> tuple[Ints, Observed, Cells]:
    """``n`` tasks in time order: number of the cause of each, what is seen, and the table."""
    days = np.sort(rng.uniform(0, DAYS, size=n))
    causes = categorical(rng, world.prior(days))
    at = _sites(rng, world, days, 1 + categorical(rng, world.site_counts[causes]))
    faulty = _faulty(rng, world, days, at, causes)
    failures = at + _beyond(rng, world, causes, at, faulty)
    cells = _cells(rng, world, causes, failures)
    codes = np.zeros((n, len(world.codes)), dtype=np.int64)
    np.add.at(codes, (cells.tasks, cells.codes), cells.counts)
    bad = at & (rng.random(at.shape) < _bad_chance(world, days, causes, faulty))
    return causes, Observed(days, codes, failures, bad), cells


def status_chance(world: World, days: Floats) -> Floats:
    """Chance that a site that is not the faulty one is seen as bad: ``[days, sites]``."""
    return np.where(world.calendar.out(days), STATUS_BAD_IN_OUTAGE, STATUS_BAD)


def fault_weights(world: World, days: Floats, at: NDArray[np.bool_]) -> Floats:
    """Chance of each site to be the faulty one, given where the task fails; rows sum to 1."""
    weights = at * np.where(world.calendar.out(days), OUTAGE_PULL, 1.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def categorical(rng: Generator, probabilities: Floats) -> Ints:
    """One number a row, with the row's probabilities."""
    edges = np.cumsum(probabilities, axis=1)
    return np.asarray((rng.random((len(edges), 1)) * edges[:, -1:] >= edges).sum(axis=1))


def _sites(rng: Generator, world: World, days: Floats, count: Ints) -> NDArray[np.bool_]:
    """Where each task fails: ``count`` sites by activity, without replacement (Gumbel top-k)."""
    keys = world.calendar.log_activity(days) + rng.gumbel(size=(len(days), len(world.sites)))
    order = np.argsort(np.argsort(-keys, axis=1), axis=1)
    return np.asarray(order < count[:, None])


def _faulty(
    rng: Generator, world: World, days: Floats, at: NDArray[np.bool_], causes: Ints
) -> NDArray[np.bool_]:
    """The faulty site of each task whose cause has one: ``[tasks, sites]``."""
    chosen = categorical(rng, fault_weights(world, days, at))
    one_hot = chosen[:, None] == np.arange(len(world.sites))
    return np.asarray(one_hot & (world.pull[causes] > 0)[:, None])


def _beyond(
    rng: Generator, world: World, causes: Ints, at: NDArray[np.bool_], faulty: NDArray[np.bool_]
) -> Ints:
    """Failures beyond the first at each site: a discrete log-normal, Dirichlet over sites."""
    mean, deviation = world.failures[causes].T
    total = np.floor(np.exp(rng.normal(mean, deviation))).astype(np.int64)
    shape = np.where(faulty, world.pull[causes][:, None], world.spread[causes][:, None])
    return rng.multinomial(total, _dirichlet(rng, shape, at))


def _cells(rng: Generator, world: World, causes: Ints, failures: Ints) -> Cells:
    """The codes of the failures: one mixture a task, the same at all its sites."""
    mixtures = _dirichlet(rng, world.concentration[causes], True)
    tasks, sites = np.nonzero(failures)
    counts = rng.multinomial(failures[tasks, sites], mixtures[tasks])
    rows, codes = np.nonzero(counts)
    return Cells(tasks[rows], codes, sites[rows], counts[rows, codes])


def _dirichlet(rng: Generator, shape: Floats, where: NDArray[np.bool_] | bool) -> Floats:
    weights = rng.standard_gamma(shape) * where
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _bad_chance(world: World, days: Floats, causes: Ints, faulty: NDArray[np.bool_]) -> Floats:
    return np.where(faulty, world.noticed[causes][:, None], status_chance(world, days))
