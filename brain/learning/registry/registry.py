"""The registry in MLflow: a run a turn, a child run an arm, a version a model, two aliases.

Everything is searched for by its tag before it is made, so whatever is interrupted, the same call
again does what is missing and nothing twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ....classifier import artifact, flavours, tracking
from ...config import BrainConfig
from ..turns import TurnState
from .logged_data import STATE, inputs_of, tags_of
from .logged_turn import LoggedArm, LoggedTurn, finite

CHAMPION, CHALLENGER = "champion", "challenger"
TURN, ROLE, ARM, DIGEST = "jobmend.turn", "jobmend.role", "jobmend.arm", "jobmend.digest"
LOGGED = "jobmend.logged"  # the last tag of a turn's run: nothing is missing
_MAX_PARAMS = 100  # MLflow's limit of one batch
_CURE = "the champion works without it, and the next turn registers what is missing"


@dataclass(frozen=True)
class Version:
    """A model in the registry; ``uri`` is the server's address without secrets."""

    uri: str
    run: str
    name: str
    version: str

    def as_dict(self) -> dict[str, str]:
        """For a champion's body."""
        return dict(vars(self))


def name_of(subject: str) -> str:
    """The registered model of a subject."""
    return f"jobmend-{subject}"


def of(config: BrainConfig) -> Registry:
    """The registry that brain.toml names, else the embedded one beside the models."""
    return Registry(config.learning.mlflow or tracking.default_uri(config.store.models))


class Registry:
    """One MLflow server or SQLite file. Every method raises TrackingError where it cannot."""

    def __init__(
        self,
        uri: str,
        known: Mapping[str, flavours.Flavour] = flavours.FLAVOURS,
    ) -> None:
        """Ask nothing yet; ``known`` has how the models of each subject are kept."""
        self.uri = uri
        self._known = known

    def log_turn(self, record: LoggedTurn) -> str:
        """Log a turn and its arms; the id of its run, which is FAILED where the turn is.

        A turn that was told, and then ended in another state, is told anew.
        """
        with self._reached() as mlflow:
            client = mlflow.MlflowClient()
            experiment = self._experiment(mlflow, record.subject)
            run = _turn_run(client, experiment, record.turn, int(record.begun * 1000))
            tags = client.get_run(run).data.tags
            if LOGGED in tags and tags.get(STATE) == record.state:
                return run
            for arm in record.arms:
                _log_arm(client, experiment, run, record, arm)
            _log_figures(client, run, record.params, record.metrics)
            client.log_inputs(run, inputs_of(record))
            for file in record.files:
                if file.exists():
                    client.log_artifact(run, str(file))
            for name, told in {**tags_of(record), LOGGED: "yes"}.items():
                client.set_tag(run, tracking.key(name), tracking.value(told))
            status = "FAILED" if record.state == TurnState.FAILED.value else "FINISHED"
            client.set_terminated(run, status=status, end_time=int(record.ended * 1000))
            return run

    def register(
        self, subject: str, turn: str, directory: Path, tags: Mapping[str, str] | None = None
    ) -> Version:
        """Register the model saved in ``directory``, that ``turn`` trained; once.

        ``tags`` are such as the arm. ArtifactError where the model is damaged.
        """
        digest = artifact.digest(directory)
        flavour = self._flavour(subject)
        name = name_of(subject)
        with self._reached() as mlflow:
            client = mlflow.MlflowClient()
            found = _version_of(client, name, digest)
            if found is None:
                experiment = self._experiment(mlflow, subject)
                run = _turn_run(client, experiment, turn)
                model = _logged_model(client, experiment, run) or _log_model(
                    mlflow, flavour, directory, run
                )
                _ensure_named(mlflow, client, name)
                found = client.create_model_version(
                    name,
                    f"models:/{model}",
                    run_id=run,
                    model_id=model,
                    tags={TURN: turn, DIGEST: digest, **(tags or {})},
                )
            return Version(tracking.public(self.uri), str(found.run_id), name, str(found.version))

    def alias(self, subject: str, alias: str, version: str | None) -> None:
        """Point ``champion`` or ``challenger`` at a version; None: at nothing."""
        name = name_of(subject)
        with self._reached() as mlflow:
            client = mlflow.MlflowClient()
            try:
                now = client.get_registered_model(name).aliases.get(alias)
            except mlflow.exceptions.MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST" or version is not None:
                    raise
                return
            if version is None and now is not None:
                client.delete_registered_model_alias(name, alias)
            elif version is not None and str(now) != version:
                client.set_registered_model_alias(name, alias, version)

    def aliases(self, subject: str) -> dict[str, str]:
        """The version behind each alias."""
        with self._reached() as mlflow:
            found = mlflow.MlflowClient().get_registered_model(name_of(subject)).aliases
            return {alias: str(version) for alias, version in found.items()}

    @contextmanager
    def _reached(self) -> Iterator[ModuleType]:
        with tracking.reached(self.uri, "not registered", _CURE) as mlflow:
            yield mlflow

    def _experiment(self, mlflow: ModuleType, subject: str) -> str:
        return tracking.experiment(mlflow, self.uri, f"jobmend {subject}")

    def _flavour(self, subject: str) -> flavours.Flavour:
        if subject not in self._known:
            raise tracking.TrackingError(
                f"not registered: models of {subject} have no form in MLflow"
            )
        return self._known[subject]


def _turn_run(client: Any, experiment: str, turn: str, begun: int | None = None) -> str:
    """The run of a turn, found by its tag or made; ``begun`` in ms."""
    return _run(client, experiment, {TURN: turn, ROLE: "turn"}, f"turn {turn}", begun)


def _run(
    client: Any, experiment: str, tags: Mapping[str, str], name: str, begun: int | None
) -> str:
    wanted = " and ".join(f"tags.`{tag}` = '{_quotable(told)}'" for tag, told in tags.items())
    found = client.search_runs([experiment], wanted, max_results=1)
    if found:
        return str(found[0].info.run_id)
    made = client.create_run(experiment, start_time=begun, tags=dict(tags), run_name=name)
    return str(made.info.run_id)


def _quotable(told: str) -> str:
    """A value that stands between quotes in a search; ValueError for one that cannot."""
    if not re.fullmatch(r"[\w.:+ -]{1,250}", told, flags=re.ASCII):
        raise ValueError(f"{told!r}: is no id of a turn or name of an arm")
    return told


def _log_arm(client: Any, experiment: str, parent: str, record: LoggedTurn, arm: LoggedArm) -> None:
    tags = {TURN: record.turn, ROLE: "arm", ARM: arm.arm}
    run = _run(client, experiment, tags, arm.arm, int(record.begun * 1000))
    client.set_tag(run, "mlflow.parentRunId", parent)
    if arm.note:
        client.set_tag(run, "mlflow.note.content", tracking.value(arm.note))
    _log_figures(client, run, {"arm": arm.arm, **arm.params}, arm.metrics)
    state = "FAILED" if arm.note else "FINISHED"
    client.set_terminated(run, status=state, end_time=int(record.ended * 1000))


def _log_figures(
    client: Any, run: str, params: Mapping[str, object], metrics: Mapping[str, float]
) -> None:
    """Parameters that are logged already stay: MLflow never changes one."""
    there = client.get_run(run).data.params
    told = {tracking.key(name): tracking.value(one) for name, one in params.items()}
    for name, one in list(told.items())[:_MAX_PARAMS]:
        if name not in there:
            client.log_param(run, name, one)
    for name, number in finite(metrics).items():
        client.log_metric(run, tracking.key(name), number)


def _version_of(client: Any, name: str, digest: str) -> Any:
    """The version that is this very model; None where it is not registered."""
    found = client.search_model_versions(f"name = '{name}' and tags.`{DIGEST}` = '{digest}'")
    return min(found, key=lambda one: int(one.version), default=None)


def _logged_model(client: Any, experiment: str, run: str) -> str | None:
    """What a killed process logged and did not register."""
    found = client.search_logged_models([experiment], f"source_run_id = '{run}'")
    ready = [one.model_id for one in found if str(one.status) == "READY"]
    return str(ready[0]) if ready else None


def _log_model(mlflow: ModuleType, flavour: flavours.Flavour, directory: Path, run: str) -> str:
    example = flavours.example_of(flavour, directory)
    client = mlflow.MlflowClient()
    ended = client.get_run(run).info.end_time
    with mlflow.start_run(run_id=run):
        model = flavours.log_model(mlflow, flavour, directory, example)
    if ended is not None:  # the end of this is not that of the turn
        client.set_terminated(run, end_time=ended)
    return model


def _ensure_named(mlflow: ModuleType, client: Any, name: str) -> None:
    """Make the registered model where there is none of that name."""
    try:
        client.get_registered_model(name)
    except mlflow.exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        client.create_registered_model(name)
