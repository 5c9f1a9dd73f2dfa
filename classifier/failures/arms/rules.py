"""The arms that decide by production rules: how good one is without a model.

A rule names an action; how sure it is of it is counted in the training history. Where no rule fires
the answer is how often each class came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np

from ..labels import OTHER
from ..task import FailedTask
from .arm import Floats
from .keeping import KeptArm, json_bytes, unfitted
from .labelled import floored, numbered, shares
from .rule_tables import CMS, CRAB, FATAL, HTCONDOR, RECOVER, SPECIAL, WAIT, Rule, RuleTable

# Which words of a history mean a rule's action.
KIN: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        RECOVER: frozenset({"acdc", "recovery", "recover", "resubmit"}),
        SPECIAL: frozenset(
            {"special", "on-hold", "hold", "by-pass", "bypass", "force-complete", "kill"}
        ),
        WAIT: frozenset({"wait", "automatic-wait"}),
    }
)


class RulesArm(KeptArm):
    """A table of rules; ``confidences_`` are by rule name. Subclasses name their table."""

    table: ClassVar[RuleTable]

    prior_: Floats  # [classes_]
    confidences_: dict[str, float]

    def fired(self, task: FailedTask) -> Rule | None:
        """The rule that decides about ``task``, None where none does."""
        return self.table.first(task)

    def fit(self, tasks: Sequence[FailedTask], labels: Sequence[str]) -> Self:
        """Count how often each rule's action was what was done (Laplace's rule of succession)."""
        self.classes_, numbers = numbered(tasks, labels)
        self.prior_ = shares(numbers, len(self.classes_))
        fired: Counter[str] = Counter()
        right: Counter[str] = Counter()
        for task, label in zip(tasks, labels, strict=True):
            rule = self.fired(task)
            if rule is not None:
                fired[rule.name] += 1
                right[rule.name] += label in self._meant(rule)
        self.confidences_ = {
            rule.name: (right[rule.name] + 1) / (fired[rule.name] + 2) for rule in self.table.rules
        }
        return self

    def predict_proba(self, tasks: Sequence[FailedTask]) -> Floats:
        """``[tasks, classes_]``; rows sum to 1."""
        if not hasattr(self, "confidences_"):
            raise unfitted(self.name)
        answers = {rule.name: self._answer(rule) for rule in self.table.rules}
        rows = np.tile(self.prior_, (len(tasks), 1))
        for row, task in enumerate(tasks):
            rule = self.fired(task)
            if rule is not None:
                rows[row] = answers[rule.name]
        return floored(rows)

    def decide(self, tasks: Sequence[FailedTask]) -> list[str]:
        """What each task would have got from the system itself, however often that was wrong.

        The class that the rule means, the commonest of them where it means many, the commonest of
        all where it means none or no rule fires. :meth:`predict_proba` weighs the doubt instead.
        """
        if not hasattr(self, "confidences_"):
            raise unfitted(self.name)
        chosen: dict[str, str] = {}
        for rule in self.table.rules:
            meant = np.isin(self.classes_, list(self._meant(rule)))
            weight = np.where(meant, 1 + self.prior_, self.prior_)
            chosen[rule.name] = self.classes_[int(weight.argmax())]
        commonest = self.classes_[int(self.prior_.argmax())]
        fired = [self.fired(task) for task in tasks]
        return [commonest if rule is None else chosen[rule.name] for rule in fired]

    def _meant(self, rule: Rule) -> frozenset[str]:
        """The classes that mean the rule's action: none where the labels are no actions."""
        classes = frozenset(self.classes_)
        meant = classes & KIN.get(rule.action, frozenset())
        if meant or not classes & KIN[RECOVER]:
            return meant
        # Of the binary labels only RECOVER has a word of its own.
        return classes - KIN[RECOVER] if rule.action == FATAL else classes & {OTHER}

    def _answer(self, rule: Rule) -> Floats:
        """The prior, scaled so that what the rule means has its confidence."""
        meant = np.isin(self.classes_, list(self._meant(rule)))
        if meant.all() or not meant.any():
            return self.prior_
        sure = self.confidences_[rule.name]
        inside, outside = self.prior_[meant].sum(), self.prior_[~meant].sum()
        answer: Floats = self.prior_ * np.where(meant, sure / inside, (1 - sure) / outside)
        return answer

    def files(self) -> dict[str, bytes]:
        """The classes, how often they came, and how sure each rule is."""
        if not hasattr(self, "confidences_"):
            raise unfitted(self.name)
        learned = {
            "classes": list(self.classes_),
            "prior": self.prior_.tolist(),
            "confidences": self.confidences_,
        }
        return {"arm.json": json_bytes(learned)}

    def _take(self, learned: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        self.prior_ = np.array(learned["prior"], dtype=np.float64)
        known = (self.prior_ > 0) & (self.prior_ <= 1)
        if self.prior_.shape != (len(self.classes_),) or not known.all():
            raise ValueError("a prior of other classes")
        kept = learned["confidences"]
        self.confidences_ = {rule.name: float(kept[rule.name]) for rule in self.table.rules}
        if not all(0 < sure < 1 for sure in self.confidences_.values()):
            raise ValueError("a confidence outside of 0..1")


class CmsRulesArm(RulesArm):
    """What the operators of CMS had run for them."""

    name = "rules-cms"
    table = CMS


class CrabRulesArm(RulesArm):
    """What CRAB3 retries by itself."""

    name = "rules-crab"
    table = CRAB


class HtcondorRulesArm(RulesArm):
    """What an HTCondor queue does by itself; it knows the keys of our own stores only."""

    name = "rules-htcondor"
    table = HTCONDOR


RULE_ARMS: Mapping[str, type[RulesArm]] = MappingProxyType(
    {arm.name: arm for arm in (CmsRulesArm, CrabRulesArm, HtcondorRulesArm)}
)
