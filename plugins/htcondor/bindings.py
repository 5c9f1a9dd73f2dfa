"""HTCondor's Python bindings, asked in a process of its own: one question, one process.

The bindings hold Python's global lock while they wait for a daemon, their configuration is one for
the whole process, and what they return is in memory at once. So :mod:`pool` starts this program for
each question. It reads one JSON object from stdin and prints JSON objects, one a line; the last is
``{"done": true}`` or ``{"error": "...", "transient": false}``. Nothing else imports htcondor2.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import classad2
import htcondor2

from . import log_reading, resubmission, slices

Document = dict[str, Any]
Ad = Mapping[str, Any]

QUEUE_PAGE = 5000  # ads of the queue in one answer
_PLAIN = (str, int, float, bool)
LONG_AGO_SECONDS = 86400.0  # how much later than its end a job may be written into the history

# Jobs that run in a slot. Others have no shadow: scheduler (7, DAGMan's own), grid (9), local (12).
IN_SLOTS = "JobUniverse != 7 && JobUniverse != 9 && JobUniverse != 12"

ACTIONS = {
    "hold": htcondor2.JobAction.Hold,
    "release": htcondor2.JobAction.Release,
    "remove": htcondor2.JobAction.Remove,
}


def main() -> None:
    """Answer the question on stdin."""
    try:
        question = json.load(sys.stdin)
        for answer in QUESTIONS[question["ask"]](question):
            _print(answer)
        _print({"done": True})
    except BrokenPipeError:
        return  # the rest is not wanted any more
    except Exception as error:  # whatever the bindings raise is told, not shown
        words = str(error).strip() or type(error).__name__
        _print({"error": words, "transient": isinstance(error, (OSError, TimeoutError))})


def _print(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


# ---- ads -----------------------------------------------------------------------------------------


def values(ad: Ad, names: Sequence[str]) -> Document:
    """The attributes ``names`` of ``ad`` that have a value, evaluated; a user may write anything.

    What is undefined, no UTF-8, or a list or an ad is left out.
    """
    found = {name: _value(ad, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _value(ad: Any, name: str) -> object:
    try:
        value = ad.eval(name)
    except Exception:  # it is absent, no UTF-8, or an expression that cannot be evaluated
        return None
    return value if type(value) in _PLAIN else None


def expressions(ad: Ad) -> Document:
    """All attributes of ``ad`` as expressions; None: it cannot be told, because it is no UTF-8.

    In the old syntax of ClassAds, which a schedd takes: a backslash in a string means itself but
    before a quote, and no newline can stand there.
    """
    return {name: _expression(ad, name) for name in ad}


def _expression(ad: Any, name: str) -> str | None:
    alone = classad2.ClassAd()
    alone[name] = ad.lookup(name)
    try:
        text = str(alone.printOld()).rstrip("\n")
    except UnicodeDecodeError:
        return None
    return None if "\n" in text else text.partition(" = ")[2]


# ---- whom to ask ---------------------------------------------------------------------------------


def _schedds(names: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """The named schedds, or all that the collector knows."""
    collector = htcondor2.Collector()
    if names:
        found = [collector.locate(htcondor2.DaemonType.Schedd, name) for name in names]
    else:
        found = collector.locateAll(htcondor2.DaemonType.Schedd)
    for location in found:
        yield str(location["Name"]), htcondor2.Schedd(location)


def _schedd(name: str) -> Any:
    return next(schedd for _, schedd in _schedds([name]))


# ---- what happened -------------------------------------------------------------------------------


def jobs(question: Document) -> Iterator[Document]:
    """Ads of the queue, the history and the epochs of each schedd, in this order.

    A schedd that cannot be asked is told after what the others said.
    """
    failures = []
    for name, schedd in _schedds(question["schedds"]):
        try:
            yield from _of_schedd(schedd, question)
        except htcondor2.HTCondorException as error:
            failures.append(f"{name}: {str(error).strip()}")
    if failures:
        raise OSError("; ".join(failures))


def _of_schedd(schedd: Any, question: Document) -> Iterator[Document]:
    names = question["attributes"]
    if question["queue"]:
        for ad in _queue(schedd, names):
            yield {"source": "queue", "ad": values(ad, names)}
    sources = {"history": (schedd.history, "EnteredCurrentStatus", _stop_at_history)}
    if question["epochs"]:
        sources["epoch"] = (schedd.jobEpochHistory, "EpochWriteDate", _stop_at_epoch)
    for source, (ask, moment, stop) in sources.items():
        fetch = _fetcher(ask, moment, stop, names)
        until = min(question["until"], time.time() + 3600.0)
        for ad in slices.newest_first(fetch, moment, question["since"], until):
            yield {"source": source, "ad": values(ad, names)}


def _fetcher(
    ask: Callable[..., list[Ad]], moment: str, stop: Callable[[float], str], names: Sequence[str]
) -> slices.Fetch:
    def fetch(since: float, until: float, limit: int) -> list[Ad]:
        inside = f"{moment} >= {since:.0f} && {moment} < {until:.0f}"
        return ask(f"{IN_SLOTS} && {inside}", list(names), match=limit, since=stop(since))

    return fetch


def _stop_at_history(since: float) -> str:
    # A job that stays in the queue after its end (LeaveJobInQueue) is written late, so such a one
    # is no sign that all before it are older.
    old = f"EnteredCurrentStatus < {since - LONG_AGO_SECONDS:.0f}"
    return f'{old} && unparse(LeaveJobInQueue) =?= "false"'


def _stop_at_epoch(since: float) -> str:
    return f"EpochWriteDate < {since - 60:.0f}"


def _queue(schedd: Any, names: Sequence[str]) -> Iterator[Ad]:
    first = schedd.query(IN_SLOTS, list(names), limit=QUEUE_PAGE)
    if len(first) < QUEUE_PAGE:
        yield from first
        return
    del first
    ids = sorted(
        schedd.query(
            IN_SLOTS, ["ClusterId", "ProcId"], callback=lambda ad: (ad["ClusterId"], ad["ProcId"])
        )
    )
    for start in range(0, len(ids), QUEUE_PAGE):
        yield from schedd.query(_between(ids, start), list(names))


def _between(ids: Sequence[tuple[int, int]], start: int) -> str:
    (low, first), (high, last) = ids[start], ids[min(start + QUEUE_PAGE, len(ids)) - 1]
    above = f"(ClusterId > {low} || ClusterId == {low} && ProcId >= {first})"
    below = f"(ClusterId < {high} || ClusterId == {high} && ProcId <= {last})"
    return f"{IN_SLOTS} && {above} && {below}"


def machines(question: Document) -> Iterator[Document]:
    """Ads of machines: of those there are, then of those that the collector remembers (absent)."""
    collector, names = htcondor2.Collector(), question["attributes"]
    for constraint in ('SlotType =!= "Dynamic"', "Absent =?= true"):
        for ad in collector.query(htcondor2.AdType.Startd, constraint, list(names)):
            yield {"ad": values(ad, names)}


def event_log(question: Document) -> Iterator[Document]:
    """What stands in an event log behind a position, see :mod:`log_reading`."""
    names = question["attributes"]
    for position, ad in log_reading.events(question["path"], question["inode"], question["offset"]):
        told = {name: ad[name] for name in names if type(ad.get(name)) in _PLAIN}
        yield {"inode": position[0], "offset": position[1], "ad": told}


# ---- one job -------------------------------------------------------------------------------------


def find(question: Document) -> Iterator[Document]:
    """The jobs that fulfil a constraint, with some attributes or as expressions.

    First those in the queue, then, newest first, those in the history of the time after ``since``.
    """
    schedd = _schedd(question["schedd"])
    names, constraint = question["attributes"], question["constraint"]
    places: dict[str, Callable[[], list[Ad]]] = {"queue": lambda: schedd.query(constraint, names)}
    if question["since"] is not None:
        stop = _stop_at_history(question["since"])
        places["history"] = lambda: schedd.history(constraint, names, since=stop)
    for source, fetch in places.items():
        for ad in fetch():
            yield {"source": source, "ad": values(ad, names) if names else expressions(ad)}


def act(question: Document) -> Iterator[Document]:
    """Hold, release or remove one job; tells how many were changed."""
    schedd, job, reason = _schedd(question["schedd"]), question["job"], question["reason"]
    done = schedd.act(ACTIONS[question["action"]], [job], reason=reason)
    changed = int(done.get("TotalSuccess", 0))
    if changed and question["action"] == "hold":
        schedd.edit([job], "HoldReason", classad2.quote(reason))  # 25.14 does not pass it on
    yield {"changed": changed}


def edit(question: Document) -> Iterator[Document]:
    """Set attributes of one job; the values are expressions."""
    schedd = _schedd(question["schedd"])
    for name, expression in question["attributes"].items():
        schedd.edit([question["job"]], name, expression)
    yield {"changed": len(question["attributes"])}


def submit(question: Document) -> Iterator[Document]:
    """Submit a job of these attributes (expressions); its id and how it stands in the queue."""
    schedd = _schedd(question["schedd"])
    description = resubmission.description(question["attributes"])
    result = schedd.submit(htcondor2.Submit(description))
    names = ["GlobalJobId", "Owner", "User"]
    ads = schedd.query(f"ClusterId == {result.cluster()}", names)
    yield {"cluster": result.cluster(), "ads": [expressions(ad) for ad in ads]}


def merge(question: Document) -> Iterator[Document]:
    """Two environments as one, all of them as Environment has them; the second wins."""
    own, more = (classad2.quote(question[name]) for name in ("own", "more"))
    value = classad2.ExprTree(f"mergeEnvironment({own}, {more})").eval()
    yield {"value": value if isinstance(value, str) else None}


QUESTIONS: Mapping[str, Callable[[Document], Iterator[Document]]] = {
    asked.__name__: asked for asked in (jobs, machines, event_log, find, act, edit, submit, merge)
}

if __name__ == "__main__":
    main()
