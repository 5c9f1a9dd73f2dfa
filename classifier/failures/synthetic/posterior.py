"""Synthetic history: the exact posterior of the cause, given all that is seen of a task.

A Dirichlet mixture integrates to the Dirichlet-multinomial (Mosimann 1962, Biometrika 49), the
faulty site is summed over. Which sites a task fails at does not depend on the cause given their
number, nor does which failure at a site has which code given the margins: both cancel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp, ndtr, softmax

from .draws import Observed, fault_weights, status_chance
from .world import World

Floats = NDArray[np.float64]


def cause_posterior(world: World, seen: Observed) -> Floats:
    """P(cause | task), ``[tasks, causes]``; rows sum to 1."""
    with np.errstate(divide="ignore"):  # causes that never happen: log 0
        evidence = np.log(world.prior(seen.days)) + log_likelihood(world, seen)
    return np.asarray(softmax(evidence, axis=1))


def log_likelihood(world: World, seen: Observed) -> Floats:
    """log P(task | cause) up to what all causes have in common: ``[tasks, causes]``."""
    columns = [
        _number(world, seen, cause) + _codes(world, seen, cause) + _places(world, seen, cause)
        for cause in range(len(world.causes))
    ]
    return np.column_stack(columns)


def _number(world: World, seen: Observed, cause: int) -> Floats:
    """Of how many sites fail, and how often beyond once each (log-normal, cut to integers)."""
    sites = (seen.sites > 0).sum(axis=1)
    beyond = seen.sites.sum(axis=1) - sites
    mean, deviation = world.failures[cause]
    with np.errstate(divide="ignore"):
        low, high = (np.log(beyond) - mean) / deviation, (np.log1p(beyond) - mean) / deviation
        return np.asarray(
            np.log(world.site_counts[cause][sites - 1]) + np.log(ndtr(-low) - ndtr(-high))
        )


def _codes(world: World, seen: Observed, cause: int) -> Floats:
    """Of the codes: Dirichlet-multinomial."""
    shape = world.concentration[cause]
    total = shape.sum()
    terms = gammaln(shape + seen.codes) - gammaln(shape)
    return np.asarray(terms.sum(axis=1) + gammaln(total) - gammaln(total + seen.codes.sum(axis=1)))


def _places(world: World, seen: Observed, cause: int) -> Floats:
    """Of the failures beyond the first by site, and of the statuses.

    Where the cause has a faulty site, the sum over which one it is, relative to the status of
    sites that are not faulty.
    """
    at = seen.sites > 0
    beyond, sites = np.where(at, seen.sites - 1, 0), at.sum(axis=1)
    spread, pull = world.spread[cause], world.pull[cause]
    alike = _rising(spread, beyond)
    if not pull:
        return np.asarray(alike.sum(axis=1) - _rising(spread * sites, beyond.sum(axis=1)))
    plain, noticed = status_chance(world, seen.days), world.noticed[cause]
    status = np.where(seen.bad, noticed / plain, (1 - noticed) / (1 - plain))
    with np.errstate(divide="ignore"):  # sites where the task did not fail: log 0
        chosen = np.log(fault_weights(world, seen.days, at) * status)
    odds = logsumexp(chosen + _rising(pull, beyond) - alike, axis=1)
    total = pull + spread * (sites - 1)
    return np.asarray(odds + alike.sum(axis=1) - _rising(total, beyond.sum(axis=1)))


def _rising(start: float | Floats, times: NDArray[np.int64]) -> Floats:
    """The logarithm of the rising factorial, start (start + 1) ... over ``times`` factors."""
    return np.asarray(gammaln(start + times) - gammaln(start))
