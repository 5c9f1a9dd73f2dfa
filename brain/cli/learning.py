"""``jobmend learn --simulate-days`` and ``--plan``: what learning does, and when it pays."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click import echo

from ...jobs.text import printable
from .. import progress
from ..config import BrainConfig
from ..models.shelf import FAILURES, TRACES
from . import tables
from .learn import bad_input

if TYPE_CHECKING:
    from ..learning.cadence.plan import Plan
    from ..learning.simulated.outcome import Change, Simulated

SUBJECTS = (TRACES, FAILURES)
PICTURES = ("errors.png", "errors.svg")
_HOUR, _DAY = 3600.0, 86400.0


# ---- the simulation ----------------------------------------------------------------------------


def simulate(days: int, out: Path | None, *, as_json: bool) -> None:
    """Play ``days`` of a synthetic cluster in ``out``; without it in a folder that goes again.

    The last line is one JSON object; with ``as_json`` it is the only one.
    """
    if out is not None:
        _simulate(days, out, as_json=as_json)
        return
    with tempfile.TemporaryDirectory(prefix="jobmend-simulation-") as folder:
        _simulate(days, Path(folder) / "simulation", as_json=as_json)


def _simulate(days: int, folder: Path, *, as_json: bool) -> None:
    import torch

    from ..learning import simulation
    from ..learning.simulated import picture
    from ..learning.simulated.scenario import Scenario

    torch.set_num_threads(1)
    with bad_input(), progress.bar() as tell:
        found = simulation.run(Scenario(days=days), folder, tell)
        for name, draw in zip(PICTURES, (picture.png, picture.svg), strict=True):
            (folder / name).write_bytes(draw(found))
    if not as_json:
        tables.show(_changes(found.changes))
        for line in picture.lines(found):
            echo(line)
    echo(json.dumps(summary(found)))


def summary(found: Simulated) -> dict[str, Any]:
    """The outcome for machines. All of it is synthetic."""
    from ..learning.simulated.outcome import poisoned_day, recovery

    back = {subject: recovery(found, subject) for subject in found.subjects}
    told = {subject: one for subject, one in back.items() if one is not None}
    turns = [one.turns for one in told.values() if one.turns is not None]
    states = sorted(set(poisoned_day(found).values()))
    return {
        "synthetic": True,
        "days": found.scenario.days,
        "recovered_within_turns": max(turns) if turns and len(turns) == len(told) else None,
        "without_learning_recovers": any(one.frozen_recovers for one in told.values()),
        "poisoned_day": states[0] if len(states) == 1 else poisoned_day(found),
        "recovery": {subject: asdict(one) for subject, one in told.items()},
        "champions": [asdict(one) for one in found.changes],
        "errors": {
            subject: {
                "learning": [one.learning for one in found.of(subject)],
                "frozen": [one.frozen for one in found.of(subject)],
                "turns": [one.state for one in found.of(subject)],
            }
            for subject in found.subjects
        },
    }


def _changes(changes: Sequence[Change]) -> tables.Table:
    """Every change of champion, and what justifies it."""
    rows = [
        [
            one.subject,
            str(one.day),
            str(one.number),
            f"{one.before} → {one.after}",
            _figure(one.gain),
            "-" if one.low is None else f"{one.low:.3g} to {one.high:.3g}",
            _figure(one.p),
            one.why,
        ]
        for one in changes
    ]
    return tables.Table(("SUBJECT", "DAY", "NUMBER", "CHAMPION", "GAIN", "90 %", "P", "WHY"), rows)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


# ---- the plan ----------------------------------------------------------------------------------


def show_plan(
    config: BrainConfig, subject: str | None, worth: float | None = None, *, as_json: bool
) -> None:
    """Say how often it pays to learn anew, by the turns in the brain's store."""
    from ..learning.cadence.plan import WORTH, plan
    from ..store import Store

    if not config.store.path.exists():
        raise click.ClickException(f"{config.store.path}: there is no store; run the brain first")
    store = Store(config.store.path)
    try:
        names = [subject] if subject else SUBJECTS
        plans = [plan(store, name, WORTH if worth is None else worth) for name in names]
    finally:
        store.close()
    if as_json:
        echo(json.dumps([asdict(one) for one in plans]))
        return
    tables.show(_plans(plans))
    for one in plans:
        if one.offers:
            tables.show(_offers(one))
        echo(f"{one.subject}: {printable(one.why)}", err=True)
    taken = f"{plans[0].worth:g} CPU seconds"
    echo(f"A loss lower by 0.01 for a day is taken to be worth {taken}.", err=True)


def _plans(plans: Sequence[Plan]) -> tables.Table:
    rows = [
        [
            one.subject,
            str(one.turns),
            f"{one.seconds:.0f} s",
            "-" if one.cpu_seconds is None else f"{one.cpu_seconds:.0f} s",
            _longest(one.steps),
            "-" if one.growth is None else f"{one.growth.a_day:.3g}",
            "-" if one.every is None else interval(one.every),
            "-" if one.low is None or one.high is None else _between(one.low, one.high),
        ]
        for one in plans
    ]
    return tables.Table(
        ("SUBJECT", "TURNS", "TIME", "CPU", "LONGEST", "LOSS/DAY", "EVERY", "95 %"), rows
    )


def _longest(steps: Mapping[str, float]) -> str:
    if not steps:
        return "-"
    name = max(steps, key=lambda step: steps[step])
    return f"{name} {steps[name]:.0f} s"


def _between(low: float, high: float) -> str:
    return f"{interval(low)} to {interval(high)}"


def _offers(plan: Plan) -> tables.Table:
    rows = [
        [
            plan.subject,
            interval(one.seconds),
            f"{one.loss:.4g}",
            f"{one.cpu:.0f}",
            f"{one.cost:.0f}",
        ]
        for one in plan.offers
    ]
    return tables.Table(("SUBJECT", "EVERY", "MEAN LOSS", "CPU S/DAY", "COST/DAY"), rows)


def interval(seconds: float) -> str:
    """An interval in the unit that suits it."""
    return f"{seconds / _DAY:.3g} d" if seconds >= _DAY else f"{seconds / _HOUR:.3g} h"
