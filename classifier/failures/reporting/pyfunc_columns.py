"""The columns of the failure classifier as MLflow serves it."""

from __future__ import annotations

from collections.abc import Mapping

INPUT = "task"  # CMS JSON of one task: {name: {"errors": ..., "parameters": ...}}

# Name -> type, as they are answered.
COLUMNS: Mapping[str, str] = {
    "action": "string",  # or abstain
    "probability": "double",  # of the likeliest action
    "prediction": "string",  # all of it as JSON, as jobmend predict --json prints it
}

# A task with one failure, of nobody.
EXAMPLE = '{"/example/task": {"errors": {"good_sites": {"50660": {"T2_XX_Example": 1}}}}}'
