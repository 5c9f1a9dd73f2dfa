"""The rules for well-known causes: one table, first match wins, and the guards around it.

The guards are those of production systems: act only where a cause dominates, never twice on the
same cause without a person, and a repeat without a change only so often.
"""

from __future__ import annotations

from dataclasses import dataclass

from ....jobs.actions import Action, ActionKind
from ....jobs.exits import ExitKind
from ....jobs.records import RunRecord, WorkflowRecord
from . import remedies, symptoms
from .case import Case, Finding
from .units import percent

DOMINANT_SHARE = 0.30  # of all failures: a cause that explains no more is not acted on
MAX_ATTEMPTS = 2  # earlier runs after which an unchanged repeat needs a person


@dataclass(frozen=True)
class Rule:
    """One row: when ``symptom`` finds something, ``remedy`` says what to do about it.

    ``confidence`` (0..1) is how often an operator would agree, by judgement; ``why`` is the reason
    or the source. ``unchanged`` rows repeat work as it was and are counted.
    """

    name: str
    cause: str
    symptom: symptoms.Symptom
    remedy: remedies.Remedy
    confidence: float
    why: str
    unchanged: bool = False


# Order is precedence. Running trouble first; then ends that name their cause; then what fails
# everywhere alike, before places are blamed; passing troubles last.
RULES: tuple[Rule, ...] = (
    Rule(
        "stall",
        "hang",
        symptoms.stalled,
        remedies.kill,
        0.85,
        "a run that worked and does nothing any more holds its slot until its limit",
    ),
    Rule(
        "idle timeout",
        "hang",
        symptoms.timed_out_idle,
        remedies.hold,
        0.80,
        "more time would be spent idle as well",
    ),
    Rule(
        "out of memory",
        "memory",
        symptoms.out_of_memory,
        remedies.recover_with_memory,
        0.90,
        "CMS Unified, Nextflow and HTCondor's retry_request_memory all raise the request",
    ),
    Rule(
        "timeout",
        "walltime",
        symptoms.timed_out_busy,
        remedies.recover_with_walltime,
        0.85,
        "it was at work when its time was up",
    ),
    Rule(
        "timeout, not measured",
        "walltime",
        symptoms.timed_out_unmeasured,
        remedies.recover_with_walltime,
        0.55,
        "without a trace it may have hung",
    ),
    Rule(
        "no input at all sites",
        "missing input",
        symptoms.input_missing_everywhere,
        remedies.hold,
        0.80,
        "EX_NOINPUT of sysexits.h; another try finds no more",
    ),
    Rule(
        "fails everywhere alike",
        "bug",
        symptoms.fails_everywhere_alike,
        remedies.hold,
        0.85,
        "what fails on every run at every site is in the job, not in the place",
    ),
    Rule(
        "bad site",
        "bad site",
        symptoms.bad_sites,
        remedies.recover_elsewhere,
        0.85,
        "StaticActions of CMS: recover at the good sites, wait where there is none",
    ),
    Rule(
        "crash",
        "bug",
        symptoms.crashes,
        remedies.hold,
        0.75,
        "a crash signal is a fault of code or data; CMS reports such codes at once",
    ),
    Rule(
        "no input again",
        "missing input",
        symptoms.input_missing_again,
        remedies.hold,
        0.75,
        "a repeat did not find the input either",
    ),
    Rule(
        "failed again",
        "bug",
        symptoms.failed_again,
        remedies.hold,
        0.70,
        "a repeat did not help",
    ),
    Rule(
        "node failure",
        "node failure",
        symptoms.ended_as(ExitKind.NODE_FAILURE),
        remedies.recover,
        0.85,
        "the node died, not the job",
        unchanged=True,
    ),
    Rule(
        "launch failure",
        "launch failure",
        symptoms.ended_as(ExitKind.LAUNCH_FAILURE),
        remedies.recover,
        0.70,
        "the job never began",
        unchanged=True,
    ),
    Rule(
        "preempted or transfer",
        "transient",
        symptoms.ended_as(ExitKind.PREEMPTED, ExitKind.TRANSFER_FAILURE),
        remedies.recover,
        0.85,
        "CRAB3 and HTCondor retry these",
        unchanged=True,
    ),
    Rule(
        "temporary code",
        "transient",
        symptoms.temporary_code,
        remedies.recover,
        0.85,
        "EX_TEMPFAIL and EX_UNAVAILABLE of sysexits.h ask for another try",
        unchanged=True,
    ),
    Rule(
        "first attempt",
        "transient",
        symptoms.first_attempt_minority,
        remedies.recover,
        0.65,
        "most runs of the same work succeeded, and one repeat is cheap",
        unchanged=True,
    ),
    Rule(
        "cpu contention",
        "cpu contention",
        symptoms.cpu_contended,
        remedies.wait_off_nodes,
        0.75,
        "the kernel's pressure totals say that others take the CPU",
    ),
    Rule(
        "io contention",
        "io contention",
        symptoms.io_contended,
        remedies.wait_off_nodes,
        0.75,
        "the kernel's pressure totals say that others take the storage",
    ),
)


@dataclass(frozen=True)
class Verdict:
    """What the rules say. ``guard`` is empty, or why a person has to decide instead.

    ``also`` names the rules that would have fired after this one.
    """

    rule: Rule
    finding: Finding
    action: Action
    guard: str = ""
    also: tuple[str, ...] = ()


def judge(record: WorkflowRecord) -> Verdict | None:
    """The first rule of the table whose cause dominates; None when none fires."""
    case = Case.of(record)
    fired = [
        (rule, finding)
        for rule in RULES
        if (finding := rule.symptom(case)) is not None and dominates(finding.runs, case)
    ]
    if not fired:
        return None
    rule, finding = fired[0]
    action, guard = _decide(rule, finding, record)
    also = tuple(f"{other.name}: {seen.words}" for other, seen in fired[1:])
    return Verdict(rule, finding, action, guard, also)


def dominates(runs: tuple[RunRecord, ...], case: Case) -> bool:
    """Does the cause explain enough of the failures? One running run is enough by itself."""
    failures = sum(run.failed for run in runs)
    return failures < len(runs) or failures > DOMINANT_SHARE * len(case.failed)


def _decide(rule: Rule, finding: Finding, record: WorkflowRecord) -> tuple[Action, str]:
    action = rule.remedy(finding)
    ask = Action(ActionKind.ASK)
    if action is None:
        return ask, f"{rule.cause}: neither a request nor a measurement says how much it had"
    if (rule.cause, action.kind) in record.tried:
        return ask, f"{action.kind.value} was already tried against this cause ({rule.cause})"
    attempts = max(run.facts.attempt for run in finding.runs)
    if rule.unchanged and attempts >= MAX_ATTEMPTS:
        return ask, f"{rule.cause}: repeated {attempts} times already, unchanged"
    return action, ""


def describe(verdict: Verdict) -> str:
    """The rule that fired, in words with its numbers."""
    rule = verdict.rule
    return f"{rule.cause}, rule '{rule.name}' ({percent(rule.confidence)}): {verdict.finding.words}"
