"""One piece of advice about a workflow, joined from rules, failure model and trace anomaly.

``docs/advice.md`` says in words how the probabilities come about and when a person is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..jobs.actions import Action, ActionKind, Advice, Evidence
from ..jobs.cms_words import kind_of
from ..jobs.records import RunRecord, WorkflowRecord
from ..jobs.text import printable
from .failures.causes.rules import Verdict, describe, judge
from .failures.causes.symptoms import idle_words
from .failures.causes.tally import top_failures
from .failures.causes.units import percent
from .failures.history.records import task_of
from .pool import Opinion, doubted, leaning, likeliest, pool, scaled, surprise
from .suspects import suspect_words

if TYPE_CHECKING:  # the models' libraries take seconds to import
    from .failures.model import FailureClassifier
    from .failures.prediction import Prediction
    from .traces.model import TraceModel

CAUSES = (
    "memory",
    "walltime",
    "bug",
    "transient",
    "bad site",
    "hang",
    "cpu contention",
    "io contention",
    "missing input",
    "node failure",
    "launch failure",
    "cancelled",
    "unknown",
)

RULE_WEIGHT, MODEL_WEIGHT = 0.6, 0.4
MODEL_ASKS = 0.05  # share the model leaves to ASK, which it never saw anybody do
SURE = 0.5  # below this largest share a person is asked
OPPOSED, CONVINCED = 0.1, 0.6  # rule and model disagree: the model gives the rule's action less
# than OPPOSED and another one more than CONVINCED
ODD = 0.05  # p-values up to here are shown
MAX_EVIDENCE = 400  # characters of one reason
MODEL_REASONS = 3
# What ends or throws away work needs a rule; the model alone may not advise it.
NEEDS_RULE = frozenset({ActionKind.KILL, ActionKind.CLONE})


@dataclass(frozen=True)
class Models:
    """The models in use; None where there is none yet. Rules work without any.

    ``digests`` says which they are, by name; see :func:`.artifact.digest`.
    """

    failures: FailureClassifier | None
    traces: TraceModel | None
    digests: Mapping[str, str] = field(default_factory=dict)


def advise(record: WorkflowRecord, models: Models) -> Advice | None:
    """What to do about ``record``; None where nothing failed and no running run is warned of."""
    troubled = _troubled(record)
    if not troubled:
        return None
    verdict = judge(record)
    said = models.failures.predict([task_of(record)])[0] if models.failures is not None else None
    model = opinion_of(said) if said is not None else None
    runs = verdict.finding.runs if verdict is not None else troubled
    opinion = _pool(verdict, model, runs)
    action, doubt = _choose(verdict, model, opinion)
    return Advice(
        cause=verdict.rule.cause if verdict is not None else "unknown",
        action=action,
        runs=tuple(run.run for run in runs),
        probabilities=doubted(opinion) if action.kind is ActionKind.ASK else opinion,
        evidence=(
            *_words_of_rules(verdict),
            *([_say("doubt", doubt)] if doubt else []),
            *(_say("cell", cell) for cell in top_failures(record)),
            *_words_of_traces(record, runs),
            *_words_of_model(model, said),
        ),
    )


def _troubled(record: WorkflowRecord) -> tuple[RunRecord, ...]:
    return record.failed or tuple(run for run in record.running if run.warnings)


def opinion_of(said: Prediction) -> dict[ActionKind, float] | None:
    """What the failure classifier says, in our actions; None where it never saw the like."""
    if said.novel:
        return None
    shares: dict[ActionKind, float] = {}
    for word, p in said.probabilities.items():
        kind = kind_of(word)
        shares[kind] = shares.get(kind, 0.0) + p
    return shares


# ---- how sure ----------------------------------------------------------------------------------


def _pool(
    verdict: Verdict | None, model: Opinion | None, runs: Sequence[RunRecord]
) -> dict[ActionKind, float]:
    opinions: list[tuple[float, Opinion]] = []
    if verdict is not None:
        opinions.append((RULE_WEIGHT, leaning(verdict.action.kind, verdict.rule.confidence)))
    if model is not None:
        with_ask = {kind: (1.0 - MODEL_ASKS) * p for kind, p in model.items()}
        opinions.append((MODEL_WEIGHT, {**with_ask, ActionKind.ASK: MODEL_ASKS}))
    pooled = pool(opinions)
    odd = [run.anomaly_p for run in runs if run.anomaly_p is not None]
    if odd and (verdict is None or verdict.rule.unchanged):
        return scaled(pooled, ActionKind.RECOVER, surprise(min(odd)))
    return pooled


def _choose(verdict: Verdict | None, model: Opinion | None, opinion: Opinion) -> tuple[Action, str]:
    """The action, and why a person is asked where that is the action."""
    top = likeliest(opinion)
    wanted = verdict.action if verdict is not None else Action(top)
    doubt = _doubt(verdict, model, opinion, wanted.kind)
    return (Action(ActionKind.ASK), doubt) if doubt else (wanted, "")


def _doubt(
    verdict: Verdict | None, model: Opinion | None, opinion: Opinion, wanted: ActionKind
) -> str:
    top = likeliest(opinion)
    if verdict is not None and verdict.guard:
        return verdict.guard
    if verdict is not None and model is not None and _opposed(verdict, model):
        other = max(model, key=lambda kind: model[kind])
        return (
            f"rule '{verdict.rule.name}' says {wanted.value}, the model says {other.value} "
            f"({percent(model[other])}) and gives {wanted.value} {percent(model.get(wanted, 0.0))}"
        )
    if top is not wanted or opinion[top] < SURE:
        rule = f"rule '{verdict.rule.name}' says {wanted.value}" if verdict else "no rule fires"
        return f"{rule}; {_top_of(model)}; the likeliest action has {percent(opinion[top])}"
    if verdict is None and top in NEEDS_RULE:
        return f"no rule fires; {_top_of(model)}, and {top.value} needs a rule as well"
    return "" if top is not ActionKind.ASK else "no rule fires and the model is not sure"


def _opposed(verdict: Verdict, model: Opinion) -> bool:
    own = model.get(verdict.action.kind, 0.0)
    return own < OPPOSED and max(model.values()) > CONVINCED


def _top_of(model: Opinion | None) -> str:
    if model is None:
        return "there is no model"
    kind = max(model, key=lambda kind: model[kind])
    return f"the model says {kind.value} ({percent(model[kind])})"


# ---- why ---------------------------------------------------------------------------------------


def _say(kind: str, text: str) -> Evidence:
    """Evidence that cannot harm a terminal, however many names of strangers it holds."""
    return Evidence(kind, printable(text, MAX_EVIDENCE))


def _words_of_rules(verdict: Verdict | None) -> list[Evidence]:
    if verdict is None:
        return []
    also = [_say("rule", f"also {words}") for words in verdict.also]
    return [_say("rule", describe(verdict)), *also[:2]]


def _words_of_model(model: Opinion | None, said: Prediction | None) -> list[Evidence]:
    if said is None:
        return []
    if model is None:
        return [_say("model", f"the model has no opinion: {said.doubt}")]
    speaking = [reason.text for reason in said.evidence if reason.weight > 0][:MODEL_REASONS]
    because = f", most of all by {'; '.join(speaking)}" if speaking else ""
    past = [f"{one.name} ({one.action})" for one in said.past]
    like = [_say("past", f"most like it were {', '.join(past)}")] if past else []
    return [_say("model", f"{_top_of(model)}{because}"), *like]


def _words_of_traces(
    record: WorkflowRecord, runs: Sequence[RunRecord], n: int = 3
) -> list[Evidence]:
    told = [
        _say("trace", f"run {run.run.key}: {words}") for run in runs if (words := idle_words(run))
    ]
    odd = [run for run in runs if run.anomaly_p is not None and run.anomaly_p <= ODD]
    odd.sort(key=lambda run: run.anomaly_p or 0.0)
    suspects = [_say("trace", words) for words in suspect_words(record.runs)]
    return told[:n] + suspects[:n] + [_say("trace", _odd_words(run)) for run in odd[:n]]


def _odd_words(run: RunRecord) -> str:
    why = f" ({run.anomaly_words})" if run.anomaly_words else ""
    return f"run {run.run.key}: its trace is odd, p {run.anomaly_p:.3g}{why}"
