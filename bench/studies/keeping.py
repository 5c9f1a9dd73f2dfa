"""A study as files: one JSON object, and its pictures beside it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from jobmend.classifier.failures.evaluation.intervals import Interval
from jobmend.classifier.failures.reporting.report import Picture, Section, Table, Value

PNG = b"\x89PNG\r\n\x1a\n"


def as_json(section: Section) -> dict[str, Any]:
    """The study without the bytes of its pictures; an interval is mean, low and high."""
    return {
        "study": section.anchor,
        "title": section.title,
        "findings": list(section.paragraphs),
        "settings": {name: _plain(value) for name, value in section.facts.items()},
        "tables": [
            {
                "caption": table.caption,
                "columns": list(table.columns),
                "rows": [[_plain(value) for value in row] for row in table.rows],
                "strong": sorted(table.strong),
            }
            for table in section.tables
        ],
        "pictures": [{"name": one.name, "text": one.text} for one in section.pictures],
    }


def write(folder: Path, section: Section, told: dict[str, Any]) -> None:
    """``<study>.json`` and a PNG for each picture; an older study of the name is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    for picture in section.pictures:
        (folder / f"{picture.name}.png").write_bytes(picture.png)
    (folder / f"{section.anchor}.json").write_text(json.dumps(told, indent=1) + "\n")


def read(path: Path) -> tuple[Section, dict[str, Any]]:
    """A study's file and what it says of its making; ValueError, one sentence, where it is none."""
    try:
        told = json.loads(path.read_text())
        pictures = [_picture(path.parent, one["name"], one["text"]) for one in told["pictures"]]
        section = Section(
            told["study"],
            told["title"],
            told["findings"],
            {name: _value(value) for name, value in told["settings"].items()},
            [
                Table(
                    one["columns"],
                    [[_value(value) for value in row] for row in one["rows"]],
                    one["caption"],
                    frozenset(one["strong"]),
                )
                for one in told["tables"]
            ],
            pictures,
        )
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path}: no study ({error}); run it again with --out") from error
    return section, told


def _picture(folder: Path, name: str, text: str) -> Picture:
    data = (folder / f"{Path(name).name}.png").read_bytes()
    if not data.startswith(PNG):
        raise ValueError(f"{name}.png is no PNG")
    return Picture(name, text, data)


def _plain(value: Value) -> Any:
    if isinstance(value, Interval):
        return dict(zip(("mean", "low", "high"), value.row(), strict=True))
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value


def _value(value: Any) -> Value:
    if isinstance(value, dict):
        mean, low, high = (
            math.nan if value[name] is None else float(value[name]) for name in _PARTS
        )
        return Interval(mean, low, high)
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise ValueError(f"{value!r} is nothing that a table shows")


_PARTS = ("mean", "low", "high")
