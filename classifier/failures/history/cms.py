"""Failure histories in the exchange format of CMS, read and written.

``{task: {"errors": {"good_sites": {code: {site: n}}, "bad_sites": {...}}, "parameters": {...}}}``,
as the console of CMS operations wrote it (CMSCompOps/WorkflowWebTools, ``actionshistorylink.py``).
docs/failure-history.md tells what we read beyond that, and the limits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ....jobs.identity import SiteStatus
from ....jobs.text import printable
from ..task import Cell, FailedTask, History
from . import json_style
from .cms_values import MAX_CODE, MAX_SITE, Place, count, decision, moment, numbers, text
from .json_style import Style

MAX_CELLS = 100_000  # of a task
STATUSES = {
    "good_sites": SiteStatus.GOOD,
    "bad_sites": SiteStatus.BAD,
    "unknown_sites": SiteStatus.UNKNOWN,  # ours
}
OURS = "jobmend"  # key of what the format has no place for: features, cause, synthetic


class HistoryError(ValueError):
    """A history that cannot be read or written; the message names the file and the place."""


@dataclass(frozen=True)
class CmsHistory:
    """A history as it was read, with all that is needed to write it back the same."""

    history: History
    document: Mapping[str, Any] = field(repr=False)
    style: Style


def read_history(data: bytes, name: str) -> CmsHistory:
    """The history in ``data``, known as ``name`` in errors; HistoryError says what is wrong where.

    Tasks come in time order where all have a timestamp, else in the file's. One without an action
    has no decision; one without failures is read as it is.
    """
    place = Place(printable(name))
    try:
        document = json_style.loads(data)
        tasks = _tasks(document.value, place)
        if document.repeated:
            raise place.error(f"{text_of(document.repeated[0])} stands twice in one object")
    except json_style.JsonError as error:
        raise HistoryError(f"{place}: {error}") from error
    except ValueError as error:
        raise HistoryError(str(error)) from error
    synthetic = any(_ours(task, place).get("synthetic") for task in document.value.values())
    history = History(tasks, str(place), synthetic)
    return CmsHistory(history, document.value, document.style)


def write_history(history: CmsHistory | History) -> bytes:
    """The history as JSON: one that was read in its own words and layout, another in ours.

    HistoryError where it could not be read back.
    """
    if isinstance(history, CmsHistory):
        return json_style.dumps(history.document, history.style)
    document: dict[str, Any] = {}
    for task in history.tasks:
        document[_free(task.name, document)] = _written(task, history.synthetic)
    data = json_style.dumps(document, Style())
    read_history(data, history.origin)
    return data


# ---- reading -----------------------------------------------------------------------------------


def _tasks(document: object, place: Place) -> list[FailedTask]:
    tasks = [
        _task(name, place.object(value, f"task {text_of(name)}"), place)
        for name, value in place.object(document, "").items()
    ]
    times = [task.time for task in tasks]
    if None not in times:
        tasks.sort(key=lambda task: task.time or 0.0)
    return tasks


def _task(name: str, document: Mapping[str, Any], file: Place) -> FailedTask:
    place = file.inside(f"task {text_of(name)}")
    if "errors" not in document:
        raise place.error("errors is missing; it holds good_sites and bad_sites")
    ours = _ours(document, place)
    return FailedTask(
        name=name,
        cells=_cells(place.object(document["errors"], "errors"), place),
        features=numbers(ours.get("features", {}), place.inside("jobmend.features")),
        time=moment(document.get("timestamp"), place),
        decision=decision(document.get("parameters"), place),
        cause=text(ours.get("cause"), "jobmend.cause", place),
    )


def _ours(document: Mapping[str, Any], place: Place) -> Mapping[str, Any]:
    return place.object(document.get(OURS, {}), OURS)


def _cells(errors: Mapping[str, Any], place: Place) -> dict[Cell, int]:
    cells: dict[Cell, int] = {}
    for key, status in STATUSES.items():
        for code, sites in place.object(errors.get(key, {}), key).items():
            where = place.inside(f"{key}, code {text_of(code)}")
            if not 0 < len(code) <= MAX_CODE:
                raise where.error(f"a code has 1 to {MAX_CODE} characters")
            for site, n in where.object(sites, "").items():
                if len(site) > MAX_SITE:
                    raise where.error(f"a site's name has at most {MAX_SITE} characters")
                if failures := count(n, where, site):
                    cells[Cell(code, site, status)] = failures
            if len(cells) > MAX_CELLS:
                raise place.error(f"at most {MAX_CELLS} codes at sites are read of a task")
    return cells


def text_of(words: str) -> str:
    """What a file says, safe to show and short."""
    return f"{printable(words, 80)!r}"


# ---- writing -----------------------------------------------------------------------------------


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """The task's name; with ``#2`` and so on where it was decided about more than once."""
    again, free = 1, name
    while free in taken:
        again += 1
        free = f"{name}#{again}"
    return free


def _written(task: FailedTask, synthetic: bool) -> dict[str, Any]:
    document: dict[str, Any] = {"errors": _errors(task.cells.items())}
    if task.decision is not None:
        document["parameters"] = {
            "action": task.decision.action,
            "memory": task.decision.memory,
            "splitting": task.decision.splitting,
            "xrootd": task.decision.data_access,
            "sites": list(task.decision.sites),
        }
    if task.time is not None:
        document["timestamp"] = task.time
    features = {name: value for name, value in task.features.items() if math.isfinite(value)}
    ours = {"features": features, "cause": task.cause, "synthetic": synthetic}
    if told := {name: value for name, value in ours.items() if value}:
        document[OURS] = told
    return document


def _errors(cells: Iterable[tuple[Cell, int]]) -> dict[str, dict[str, dict[str, int]]]:
    keys = {status: key for key, status in STATUSES.items()}
    errors: dict[str, dict[str, dict[str, int]]] = {"good_sites": {}, "bad_sites": {}}
    for cell, n in cells:
        of_status = errors.setdefault(keys[cell.status], {})
        of_status.setdefault(cell.code, {})[cell.site] = n
    return errors
