"""Advice: rules, model and traces joined; when a person is asked; what the evidence says."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import pytest

from jobmend.classifier.advice import CAUSES, Models, advise
from jobmend.classifier.failures.model import FailureClassifier
from jobmend.classifier.failures.prediction import Prediction
from jobmend.classifier.failures.synthetic.records import generate
from jobmend.classifier.failures.task import FailedTask
from jobmend.classifier.pool import KINDS, doubted, leaning, pool, scaled, surprise
from jobmend.jobs.actions import Action, ActionKind, Advice
from jobmend.jobs.events import EventKind, Request
from jobmend.jobs.records import RunRecord, WorkflowRecord

MIB = 1024 * 1024
RULES_ALONE = Models(None, None)
MakeRun = Callable[..., RunRecord]
MakeRecord = Callable[..., WorkflowRecord]


class FixedModel:
    """A failure classifier that always says the same: the rest is under test."""

    def __init__(self, shares: Mapping[ActionKind, float], novel: bool = False) -> None:
        self._shares = {kind.value: p for kind, p in shares.items()}
        self._novel = novel

    def predict(self, tasks: Sequence[FailedTask]) -> list[Prediction]:
        doubt = "nothing like it was seen" if self._novel else ""
        return [
            Prediction(task.name, "abstain", self._shares, doubt, novel=self._novel)
            for task in tasks
        ]


def saying(shares: Mapping[ActionKind, float], *, novel: bool = False) -> Models:
    return Models(cast(FailureClassifier, FixedModel(shares, novel)), None)


def advised(record: WorkflowRecord, models: Models = RULES_ALONE) -> Advice:
    advice = advise(record, models)
    assert advice is not None
    assert sum(advice.probabilities.values()) == pytest.approx(1.0)
    assert advice.probability == max(advice.probabilities.values())
    assert advice.cause in CAUSES
    return advice


def texts(advice: Advice, kind: str) -> list[str]:
    return [evidence.text for evidence in advice.evidence if evidence.kind == kind]


# ---- the formula -------------------------------------------------------------------------------


def test_the_pool_multiplies_opinions_by_their_weights() -> None:
    first, second = leaning(ActionKind.HOLD, 0.8), leaning(ActionKind.RECOVER, 0.5)
    pooled = pool([(0.6, first), (0.4, second)])
    assert sum(pooled.values()) == pytest.approx(1.0)
    odds = pooled[ActionKind.HOLD] / pooled[ActionKind.RECOVER]
    assert odds == pytest.approx((0.8 / 0.04) ** 0.6 * (0.1 / 0.5) ** 0.4)
    assert pool([(0.3, first)]) == pytest.approx(first)  # weights are scaled to those who speak
    assert pool([]) == pytest.approx({kind: 1 / len(KINDS) for kind in KINDS})


def test_doubt_makes_ask_the_likeliest() -> None:
    sure = doubted(leaning(ActionKind.HOLD, 0.9))
    assert sum(sure.values()) == pytest.approx(1.0)
    assert sure[ActionKind.ASK] == pytest.approx(0.5 + 0.5 * 0.02)
    assert doubted(pool([]))[ActionKind.ASK] > 0.8


def test_surprise_is_one_for_a_usual_trace_and_bounded_for_an_odd_one() -> None:
    assert surprise(0.5) == surprise(1 / math.e) == 1.0
    assert surprise(0.05) == pytest.approx(0.407, abs=0.001)
    assert surprise(1e-9) == surprise(0.0) == 0.2
    tilted = scaled(leaning(ActionKind.RECOVER, 0.8), ActionKind.RECOVER, 0.2)
    assert tilted[ActionKind.RECOVER] == pytest.approx(0.16 / 0.36)


# ---- with rules alone --------------------------------------------------------------------------


def test_nothing_failed_means_no_advice(make_run: MakeRun, make_record: MakeRecord) -> None:
    assert advise(make_record(), RULES_ALONE) is None
    record = make_record(make_run("ok"), make_run("cancelled"), make_run("running"))
    assert advise(record, RULES_ALONE) is None
    overcome = make_record(make_run("ok", warnings=[EventKind.STALL, EventKind.CONTENTION]))
    assert advise(overcome, RULES_ALONE) is None


def test_a_rule_alone_gives_its_action_its_confidence(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    bad = [make_run("exit:66", "siteB") for _ in range(3)]
    advice = advised(make_record(*bad, make_run("ok", "siteA")))
    assert advice.cause == "bad site"
    assert advice.action == Action(ActionKind.RECOVER, sites_use=("siteA",), sites_avoid=("siteB",))
    assert advice.probability == pytest.approx(0.85)
    assert advice.runs == tuple(run.run for run in bad)
    assert texts(advice, "rule")[0] == (
        "bad site, rule 'bad site' (85 %): siteB fails 3 of 3; succeeds at: siteA 1 of 1"
    )
    assert texts(advice, "cell") == ["exit:66 at siteB: 3 of 3"]


def test_the_trace_speaks_in_numbers(make_run: MakeRun, make_record: MakeRecord) -> None:
    run = make_run("timeout", cpu_idle_tail_seconds=41.0, anomaly_p=0.004)
    advice = advised(make_record(run))
    assert (advice.cause, advice.action.kind) == ("hang", ActionKind.HOLD)
    assert texts(advice, "trace") == [
        f"run {run.run.key}: CPU idle for the last 41 s of 52 s",
        f"run {run.run.key}: its trace is odd, p 0.004",
    ]


def test_what_nobody_knows_is_asked(make_run: MakeRun, make_record: MakeRecord) -> None:
    run = make_run("exit:1")
    advice = advised(make_record(run))
    assert (advice.cause, advice.action) == ("unknown", Action(ActionKind.ASK))
    assert advice.runs == (run.run,)
    assert texts(advice, "doubt") == [
        "no rule fires; there is no model; the likeliest action has 17 %"
    ]


def test_a_warning_that_no_rule_explains_is_asked(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    run = make_run("running", warnings=[EventKind.CONTENTION])
    advice = advised(make_record(run, make_run("running")))
    assert (advice.action.kind, advice.runs) == (ActionKind.ASK, (run.run,))


def test_a_guard_asks_and_names_itself(make_run: MakeRun, make_record: MakeRecord) -> None:
    run = make_run("out_of_memory", request=Request(memory_bytes=MIB))
    advice = advised(make_record(run, tried=(("memory", ActionKind.RECOVER),)))
    assert (advice.cause, advice.action.kind) == ("memory", ActionKind.ASK)
    assert texts(advice, "doubt") == ["recover was already tried against this cause (memory)"]


def test_an_odd_trace_speaks_against_an_unchanged_repeat(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    usual = advised(make_record(make_run("exit:75", anomaly_p=0.8)))
    odd = advised(make_record(make_run("exit:75", anomaly_p=0.02)))
    assert usual.probability == pytest.approx(0.85)
    assert odd.probabilities[ActionKind.RECOVER] < 0.6
    memory = make_run("out_of_memory", anomaly_p=0.02, request=Request(memory_bytes=MIB))
    assert advised(make_record(memory)).probability == pytest.approx(0.9)


# ---- with a model ------------------------------------------------------------------------------


def test_agreement_and_dissent_move_the_probability(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    record = make_record(make_run("signal:11"), make_run("signal:11", "siteB"))
    alone = advised(record).probability
    agreed = advised(record, saying({ActionKind.HOLD: 0.97, ActionKind.RECOVER: 0.03}))
    unsure = advised(record, saying({ActionKind.HOLD: 0.5, ActionKind.RECOVER: 0.5}))
    assert agreed.action.kind is unsure.action.kind is ActionKind.HOLD
    assert unsure.probability < alone < agreed.probability


def test_strong_disagreement_asks_with_both_named(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    record = make_record(make_run("signal:11"), make_run("signal:11", "siteB"))
    advice = advised(record, saying({ActionKind.HOLD: 0.05, ActionKind.RECOVER: 0.95}))
    assert (advice.cause, advice.action) == ("bug", Action(ActionKind.ASK))
    assert texts(advice, "doubt") == [
        "rule 'fails everywhere alike' says hold, the model says recover (95 %) and gives hold 5 %"
    ]


def test_a_sure_model_alone_may_advise(make_run: MakeRun, make_record: MakeRecord) -> None:
    record = make_record(make_run("exit:1"))
    advice = advised(record, saying({ActionKind.RECOVER: 0.9, ActionKind.HOLD: 0.1}))
    assert (advice.cause, advice.action) == ("unknown", Action(ActionKind.RECOVER))
    assert texts(advice, "model") == ["the model says recover (90 %)"]
    unsure = advised(record, saying({ActionKind.RECOVER: 0.5, ActionKind.HOLD: 0.5}))
    assert unsure.action.kind is ActionKind.ASK


def test_a_model_that_never_saw_the_like_has_no_opinion(
    make_run: MakeRun, make_record: MakeRecord
) -> None:
    sure = {ActionKind.RECOVER: 1.0}
    record = make_record(make_run("exit:1"), make_run("exit:2"))
    assert advised(record, saying(sure)).action.kind is ActionKind.RECOVER
    strange = advised(record, saying(sure, novel=True))
    assert strange.action.kind is ActionKind.ASK
    assert texts(strange, "model") == ["the model has no opinion: nothing like it was seen"]


@pytest.mark.parametrize("kind", [ActionKind.KILL, ActionKind.CLONE])
def test_a_model_alone_never_ends_or_throws_away_work(
    make_run: MakeRun, make_record: MakeRecord, kind: ActionKind
) -> None:
    advice = advised(make_record(make_run("exit:1")), saying({kind: 1.0}))
    assert advice.action.kind is ActionKind.ASK
    assert f"{kind.value} needs a rule" in texts(advice, "doubt")[0]


def test_well_known_causes_stay_with_their_action_beside_the_synthetic_model(
    fitted: FailureClassifier, make_run: MakeRun, make_record: MakeRecord
) -> None:
    asked = Request(cpus=1, memory_bytes=100 * MIB, walltime_seconds=52)
    cases = {
        "memory": [make_run("out_of_memory", request=asked, oom_kills=1) for _ in range(2)],
        "walltime": [
            make_run("timeout", request=asked, cpu_idle_tail_seconds=1.0) for _ in range(2)
        ],
        "bug": [make_run("signal:11", "siteA"), make_run("signal:11", "siteB")],
        "transient": [make_run("exit:75"), make_run("ok"), make_run("ok")],
        "bad site": [
            make_run(end, site) for end, site in (("ok", "siteA"), ("exit:66", "siteB")) * 2
        ],
        "hang": [make_run("running", request=asked, warnings=[EventKind.STALL])],
        "cpu contention": [
            make_run("running", warnings=[EventKind.CONTENTION], cpu_waiting_seconds=20.0)
        ],
    }
    actions = {
        cause: advised(make_record(*runs), Models(fitted, None)) for cause, runs in cases.items()
    }
    assert {cause: advice.cause for cause, advice in actions.items()} == {c: c for c in cases}
    assert {cause: advice.action.kind.value for cause, advice in actions.items()} == {
        "memory": "recover",
        "walltime": "recover",
        "bug": "hold",
        "transient": "recover",
        "bad site": "recover",
        "hang": "kill",
        "cpu contention": "wait",
    }


def test_advice_on_synthetic_history_is_right_more_often_than_rules_or_model(
    fitted: FailureClassifier,
) -> None:
    held_out = generate(500, seed=7)
    advice = [(advised(example.record, Models(fitted, None)), example) for example in held_out]
    acting = [(one, example) for one, example in advice if one.action.kind is not ActionKind.ASK]
    assert len(acting) > 0.75 * len(held_out)
    right = sum(one.action.kind is example.action for one, example in acting) / len(acting)
    assert right > 0.78
    said = sum(one.probability for one, _ in acting) / len(acting)
    assert said == pytest.approx(right, abs=0.08)


# ---- strangers' words --------------------------------------------------------------------------


def test_hostile_names_are_neutralised_in_all_evidence(
    make_run: MakeRun, make_record: MakeRecord, fitted: FailureClassifier
) -> None:
    hostile = "site\x1b[2J\n\u202eB" + "x" * 5000
    runs = [make_run("exit:66", hostile, cpu_idle_tail_seconds=40.0) for _ in range(3)]
    record = make_record(*runs, make_run("ok", "good\rsite"))
    hung = make_run(
        "running", node="n\x1b]0;\x07", warnings=[EventKind.CONTENTION], cpu_waiting_seconds=40.0
    )
    for models in (RULES_ALONE, Models(fitted, None)):
        for advice in (advised(record, models), advised(make_record(hung), models)):
            for evidence in advice.evidence:
                assert evidence.text.isprintable(), evidence
                assert len(evidence.text) <= 400


def test_advice_is_imported_without_the_models_libraries() -> None:
    script = (
        "import sys, jobmend.classifier.advice; "
        "print(sorted({'torch', 'xgboost', 'sklearn', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd="/"
    )
    assert done.stdout == "[]\n"
