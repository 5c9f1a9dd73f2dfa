"""The rules that production systems acted by, as tables over the dominant exit code of a task.

The codes' meanings are in docs/exit-codes.md. What the systems knew and a failed task does not tell
(logs, pile-up, the continent) is left out, with a comment. A row is an action in the words of CMS.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ....jobs.identity import SiteStatus
from ..task import FailedTask

DOMINANT_SHARE: Final = 0.30  # of all failures: a code that explains no more is not acted on
MAX_RETRIES: Final = 2  # repeats after which HTCondor lets a job go

RECOVER: Final = "acdc"  # only the failed parts again
SPECIAL: Final = "special"  # a person takes it out of the usual way: holds it, takes it as it is
WAIT: Final = "wait"
FATAL: Final = "fatal"  # all but RECOVER: the same again would fail again

Codes = Callable[[str], bool]

_ACDC_NAME = re.compile(r"_ACDC[0-9]+_")
_NUMBER = re.compile(r"-?[0-9]+")


def _one_of(*codes: str) -> Codes:
    return frozenset(codes).__contains__


def _any_number(code: str) -> bool:
    return _NUMBER.fullmatch(code) is not None


def _exit_or_signal(code: str) -> bool:
    return code.startswith(("exit:", "signal:"))


@dataclass(frozen=True)
class Case:
    """What the rules look at: the code that dominates a task's failures, and its sites."""

    code: str  # empty where no code has more than DOMINANT_SHARE
    bad_there: bool  # a site where the code was seen is bad
    bad_anywhere: bool  # a site of the task is bad
    good_left: bool  # a site of the task is not bad
    repeats: float  # so far
    repaired: bool  # the workflow is an ACDC itself


def case_of(task: FailedTask) -> Case:
    """Read the cells of ``task``. A site whose status is unknown is no bad one."""
    codes: Counter[str] = Counter()
    for cell, count in task.cells.items():
        codes[cell.code] += count
    code = min(codes, key=lambda each: (-codes[each], each), default="")
    if codes[code] <= DOMINANT_SHARE * task.failures:
        code = ""
    named = [cell for cell in task.cells if _is_site(cell.site)]
    bad = {cell.site for cell in named if cell.status is SiteStatus.BAD}
    return Case(
        code=code,
        bad_there=any(cell.code == code and cell.site in bad for cell in named),
        bad_anywhere=bool(bad),
        good_left=any(cell.site not in bad for cell in named),
        repeats=task.features.get("attempts", 0.0),
        repaired=_ACDC_NAME.search(task.name) is not None,
    )


def _is_site(site: str) -> bool:
    """Not where nobody reported a site; and tier 3 is not the operators' to repair."""
    return site not in ("", "NoReportedSite") and "T3_" not in site


@dataclass(frozen=True)
class Rule:
    """One row. What is None is not looked at."""

    name: str
    codes: Codes
    action: str
    bad_there: bool | None = None
    bad_anywhere: bool | None = None
    good_left: bool | None = None
    retries_left: bool | None = None

    def fires(self, case: Case) -> bool:
        """Is ``case`` what the row is about?"""
        seen = (
            (self.bad_there, case.bad_there),
            (self.bad_anywhere, case.bad_anywhere),
            (self.good_left, case.good_left),
            (self.retries_left, case.repeats < MAX_RETRIES),
        )
        return self.codes(case.code) and all(want in (None, is_so) for want, is_so in seen)


@dataclass(frozen=True)
class RuleTable:
    """Rows in order of precedence. ``once``: nothing is done about a workflow that is an ACDC."""

    rules: tuple[Rule, ...]
    once: bool = False

    def first(self, task: FailedTask) -> Rule | None:
        """The rule that decides about ``task``, if one does."""
        case = case_of(task)
        if not case.code or (self.once and case.repaired):
            return None
        return next((rule for rule in self.rules if rule.fires(case)), None)


# What ran for the operators of CMS: CMSCompOps/AIErrorHandling, models/StaticActions.py at 3a863cdf
# (2022-07). Reading over the network counts as allowed, without which it did nothing where a site
# was bad. Without a good site nothing is run; the source waits for drained sites even then, and so
# is it here. Left out: a list of workflows of December 2021, and 8020, 8021 and 8028, which had
# been switched off on request.
_PUT_OFF = _one_of("71102", "71103", "71104", "71105", "71302")
CMS = RuleTable(
    once=True,
    rules=(
        Rule("not reported", _one_of("-1", "-2"), RECOVER, bad_there=False, good_left=True),
        Rule("no job report", _one_of("99303", "99304"), RECOVER, good_left=True),
        Rule("removed", _one_of("99400", "99401"), RECOVER, good_left=True),
        Rule("scram setup", _one_of("50513"), RECOVER, good_left=True),
        Rule(
            "priority inversion",
            _one_of("71304", "71305"),
            RECOVER,
            bad_anywhere=False,
            good_left=True,
        ),
        Rule(
            "priority inversion, sites in drain",
            _one_of("71304", "71305"),
            WAIT,
            bad_anywhere=True,
            good_left=True,
        ),
        Rule("site is back", _PUT_OFF, RECOVER, bad_there=False, good_left=True),
        # The source asks that another site of the continent is good and the pile-up is not minbias.
        Rule("read from another site", _PUT_OFF, RECOVER, bad_there=True, good_left=True),
        Rule("site in drain", _PUT_OFF, WAIT, bad_there=True, good_left=False),
    ),
)

# What CRAB3 runs again by itself, job by job: dmwm/CRABServer, TaskWorker/Actions/RetryJob.py at
# 00d7d159. All else is fatal to it, and the user's to mend. It retries 134, 8001 and 65 only after
# a look into the log, which we do not have: fatal. Limits are checked first, as there.
CRAB = RuleTable(
    rules=(
        Rule("over a limit", _one_of("50660", "50662", "50664", "50665"), FATAL),
        Rule("input files", _one_of("8020", "8021", "8028", "84", "85", "92"), RECOVER),
        Rule("worker node", _one_of("1"), RECOVER),
        Rule("no CMSSW", _one_of("50513", "81", "10034", "50"), RECOVER),
        # "No usable job report" has no code there; in a history of WMAgent it has these.
        Rule(
            "no job report",
            _one_of("50115", "195", "-1", "-2", "99303", "99996", "99997", "99998", "99999"),
            RECOVER,
        ),
        Rule("killed", _one_of("137"), RECOVER),
        Rule("stage-out", _one_of("60403", "243", "60307", "147", "60311", "151"), RECOVER),
        Rule("fatal", _any_number, FATAL),
    ),
)

# What an HTCondor queue does by itself. Manual 25: "Automatically managing a job" (max_retries,
# periodic_release), "Hold Reason Codes" and condor_submit (retry_request_memory, allowed_job and
# allowed_execute_duration). Released holds: those of CRAB's job ads, PeriodicRelease of 6, 13, 28
# and 30 (dmwm/CRABServer issue 5327). The keys are those of our own stores.
HTCONDOR = RuleTable(
    rules=(
        Rule("taken off its slot", _one_of("preempted", "node_failure"), RECOVER),
        Rule("transfer, released", _one_of("transfer_failure"), RECOVER),
        Rule("start, released", _one_of("launch_failure"), RECOVER),
        Rule("more memory", _one_of("out_of_memory"), RECOVER, retries_left=True),
        Rule("memory of the last step", _one_of("out_of_memory"), FATAL, retries_left=False),
        Rule("over its time", _one_of("timeout"), SPECIAL),
        Rule("held", _one_of("held"), SPECIAL),
        Rule("retried", _exit_or_signal, RECOVER, retries_left=True),
        Rule("retries used up", _exit_or_signal, FATAL, retries_left=False),
    ),
)
