"""The data of a turn as MLflow shows it: a data set a part, digests and time ranges as tags."""

from __future__ import annotations

import json
from typing import Any

from .logged_turn import LoggedTurn, Part

STATE = "jobmend.state"  # tag of a turn's run
_SHOWN = 36  # characters of a digest that MLflow keeps of a data set; all of it stands in a tag


def inputs_of(record: LoggedTurn) -> list[Any]:
    """MLflow's data sets, one a part."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    return [
        DatasetInput(
            Dataset(
                name=f"{record.subject} {part.name}",
                digest=part.digest[:_SHOWN],
                source_type="local",
                source=json.dumps({"turn": record.turn}),
                profile=json.dumps(_profile(part)),
            ),
            [InputTag("mlflow.data.context", part.name)],
        )
        for part in record.parts
    ]


def tags_of(record: LoggedTurn) -> dict[str, str]:
    """What the run of a turn is tagged with."""
    tags = {
        STATE: record.state,
        "mlflow.note.content": record.why,
        "jobmend.code": record.code,
        **{f"environment.{name}": version for name, version in record.environment.items()},
        **record.tags,
    }
    for part in record.parts:
        tags[f"data.{part.name}.sha256"] = part.digest
        for name, told in _profile(part).items():
            tags[f"data.{part.name}.{name}"] = str(told)
    return tags


def _profile(part: Part) -> dict[str, object]:
    return {"examples": part.examples, "first": part.first, "last": part.last}
