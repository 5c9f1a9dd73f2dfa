"""Times, sizes and actions in the words that people read, on the panel and in a terminal."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from ..jobs.actions import Action, ActionKind
from ..jobs.records import RunRecord
from ..jobs.text import printable
from ..jobs.windows import WindowLength

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def when(time: float | None) -> str:
    """Epoch seconds as UTC in ISO 8601; a dash for none, the bare number for none of our time."""
    if time is None:
        return "-"
    try:
        moment = datetime.datetime.fromtimestamp(time, datetime.UTC)
    except (OverflowError, ValueError, OSError):
        return f"{time:.3g} s"
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def span(seconds: float) -> str:
    """A time span in its largest unit, such as ``5 min`` or ``2.5 h``."""
    for size, unit in _UNITS:
        if seconds >= size:
            amount = seconds / size
            return f"{amount:.0f} {unit}" if amount >= 10 or unit == "s" else f"{amount:.2g} {unit}"
    return "0 s"


def size(bytes: int) -> str:
    """A size in powers of 1024, such as ``1.5 GiB``."""
    value = float(bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} TiB"


def length(told: Mapping[str, float]) -> str:
    """How long the windows are that a model reads, by its lineage; nothing where it reads none."""
    return str(WindowLength(int(told["steps"]), told["step_seconds"])) if told else ""


def percent(probability: float) -> str:
    """A probability in whole per cent; what is not certain never reads as certain."""
    whole = round(probability * 100)
    if 0 < probability < 1:
        whole = min(max(whole, 1), 99)
    return f"{whole} %"


def action(action: Action) -> str:
    """An action with its parameters, such as ``recover with 2 GiB of memory, not at site-1``."""
    given = [
        f"with {size(action.memory_bytes)} of memory" if action.memory_bytes else "",
        f"with {span(action.walltime_seconds)} of walltime" if action.walltime_seconds else "",
        f"with {action.splitting} jobs for each one" if action.splitting else "",
        f"with data access {printable(action.data_access, 40)}" if action.data_access else "",
        f"at {_names(action.sites_use)}" if action.sites_use else "",
        f"not at {_names(action.sites_avoid)}" if action.sites_avoid else "",
        f"not on {_names(action.nodes_avoid)}" if action.nodes_avoid else "",
    ]
    told = ", ".join(filter(None, given))
    name = "ask a person" if action.kind is ActionKind.ASK else action.kind.value
    return f"{name}{',' if told.startswith('not ') else ''} {told}".rstrip()


def _names(names: tuple[str, ...], most: int = 4) -> str:
    shown = [printable(name, 40) for name in names[:most]]
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return " and ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def ending(record: RunRecord) -> str:
    """How a run ended, or that it has not."""
    if record.exit is not None:
        return record.exit.describe()
    return "running" if record.started is not None else "queued"
