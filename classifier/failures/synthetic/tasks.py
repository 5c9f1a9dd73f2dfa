"""A generator of synthetic history of operators' decisions, with the best possible prediction.

Latent cause -> failures by code, site and status -> an operator's action and parameters. The exact
posterior of the action is known, so a model can be told how far from the best possible it is.
Everything that comes from here is called synthetic. ``docs/synthetic-history.md`` says what is
drawn from what.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ....jobs.identity import SiteStatus
from ..evaluation.scores import Posterior
from ..task import Cell, Decision, FailedTask, History
from .causes import CAUSES
from .draws import Cells, Ints, Observed, categorical, draw
from .policy import ACTIONS, PARAMETERS, action_table, classes_of, situations, value_table, values
from .posterior import cause_posterior
from .world import World, build

Floats = NDArray[np.float64]

TASKS: Final = 7_582  # as many as the published history that the label shares are like
EPOCH: Final = 1_735_689_600.0  # 2025-01-01
_DAY = 86_400.0


@dataclass(frozen=True, eq=False)
class SyntheticHistory:
    """A synthetic history in time order, and what the best possible model would say of each task.

    ``posterior`` is P(action | task), ``[tasks, classes]``. ``parameters`` has the same for the
    label schemes ``splitting``, ``memory`` and ``data_access``.
    """

    history: History
    posterior: Floats
    classes: tuple[str, ...]
    cause_posterior: Floats  # [tasks, causes]
    causes: tuple[str, ...]
    parameters: Mapping[str, Posterior]


def generate(
    n: int = TASKS,
    seed: int = 0,
    *,
    without_causes: Collection[str] = (),
    only_causes: Collection[str] = (),
) -> SyntheticHistory:
    """``n`` synthetic tasks over one year; the same ``seed`` gives the same ones.

    Tasks of ``without_causes`` never come, with ``only_causes`` none but those; their shares are
    scaled up. ValueError where a cause is not one of ``CAUSES`` or none is left. All tasks are
    drawn at once, in some 16 kB of memory each.
    """
    world = build(_allowed(without_causes, only_causes))
    rng = np.random.default_rng(seed)
    causes, seen, cells = draw(rng, world, n)
    beliefs = cause_posterior(world, seen)
    actions = action_table()[:, situations(seen)]  # [causes, tasks, actions]
    decisions = _decisions(rng, causes, actions)
    origin = f"synthetic history, seed {seed}"
    return SyntheticHistory(
        history=History(_tasks(world, causes, seen, cells, decisions), origin, synthetic=True),
        posterior=np.einsum("nc,cna->na", beliefs, actions),
        classes=ACTIONS,
        cause_posterior=beliefs,
        causes=world.causes,
        parameters={name: _parameter(name, beliefs, actions) for name in PARAMETERS},
    )


def expected_log_loss(posterior: Floats, probabilities: Floats) -> float:
    """The log-loss of ``probabilities``, averaged over the actions that could have been taken.

    Both ``[tasks, classes]``. It has far less chance in it than the log-loss on one history; that
    of the posterior itself is the least there is.
    """
    least = np.finfo(np.float64).tiny
    logarithms = np.log(np.maximum(probabilities, least))
    return float(-(posterior * logarithms).sum(axis=1).mean())


def _allowed(without: Collection[str], only: Collection[str]) -> frozenset[str]:
    unknown = sorted({*without, *only} - set(CAUSES))
    if unknown:
        raise ValueError(f"synthetic history: no cause {unknown[0]!r}; see synthetic_causes.CAUSES")
    allowed = frozenset(only or CAUSES) - frozenset(without)
    if not allowed:
        raise ValueError("synthetic history: no cause is left; name fewer in without_causes")
    return allowed


def _decisions(rng: Generator, causes: Ints, actions: Floats) -> list[Decision]:
    """The action and the parameters of each task, drawn given its cause."""
    action = categorical(rng, actions[causes, np.arange(len(causes))])
    drawn = {
        name: np.array(values(name))[categorical(rng, value_table(name)[causes, action])].tolist()
        for name in PARAMETERS
    }
    columns = (drawn["splitting"], drawn["memory"], drawn["data_access"])
    words = (ACTIONS[number] for number in action)
    return [Decision(*row) for row in zip(words, *columns, strict=True)]


def _parameter(name: str, beliefs: Floats, actions: Floats) -> Posterior:
    """P(class of the parameter | task), summed over causes, actions and the class's values."""
    by_value = np.einsum("nc,cna,cav->nv", beliefs, actions, value_table(name), optimize=True)
    of_value = classes_of(name)
    classes = tuple(dict.fromkeys(of_value))
    member = np.array([[word == one for one in classes] for word in of_value], dtype=np.float64)
    return Posterior(by_value @ member, classes)


def _tasks(
    world: World, causes: Ints, seen: Observed, cells: Cells, decisions: list[Decision]
) -> list[FailedTask]:
    counts: list[dict[Cell, int]] = [{} for _ in decisions]
    rows = zip(
        cells.tasks.tolist(),
        cells.codes.tolist(),
        cells.sites.tolist(),
        seen.bad[cells.tasks, cells.sites].tolist(),
        cells.counts.tolist(),
        strict=True,
    )
    for task, code, site, bad, count in rows:
        status = SiteStatus.BAD if bad else SiteStatus.GOOD
        counts[task][Cell(world.codes[code], world.sites[site], status)] = count
    return [
        FailedTask(
            name=f"/synthetic-{number:06d}/task",
            cells=counts[number],
            time=EPOCH + _DAY * float(seen.days[number]),
            decision=decision,
            cause=world.causes[causes[number]],
        )
        for number, decision in enumerate(decisions)
    ]
