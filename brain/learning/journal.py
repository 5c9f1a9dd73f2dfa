"""The journal of a turn: what each step gave, so that an interrupted turn goes on behind it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from ...classifier.artifact import write_whole

Output = TypeVar("Output")

NAME = "journal.json"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Entry:
    """A step that is done: its output as JSON, and the digests (SHA-256) of files by their names.

    ``cost`` has ``cpu_seconds``, and the process's ``peak_bytes`` so far.
    """

    step: str
    begun: float  # seconds since the epoch
    seconds: float
    output: Any
    files: Mapping[str, str] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)


_ENTRIES = TypeAdapter(list[Entry])


class Journal:
    """``journal.json`` in the folder of one turn; written whole after each step."""

    def __init__(self, folder: Path) -> None:
        """Read what is there; a journal that cannot be read is an empty one."""
        self._folder = folder
        self.entries = _read(folder / NAME)

    def entry(self, step: str) -> Entry:
        """The entry of a step; KeyError where there is none."""
        return {entry.step: entry for entry in self.entries}[step]

    def find(self, step: str, kind: type[Output]) -> Output | None:
        """What ``step`` gave; None where it is not done, or a file of it is not what it was."""
        for entry in self.entries:
            if entry.step == step and _whole(self._folder, entry):
                try:
                    return TypeAdapter(kind).validate_python(entry.output)
                except ValidationError:
                    return None
        return None

    def keep(self, steps: Container[str]) -> None:
        """Take all but ``steps`` as not done."""
        self.entries = [entry for entry in self.entries if entry.step in steps]

    def add(
        self,
        step: str,
        output: Output,
        files: Iterable[str],
        begun: float,
        seconds: float,
        cost: Mapping[str, float],
    ) -> Entry:
        """Note a step as done, with the files of the turn's folder that it wrote."""
        plain = TypeAdapter(type(output)).dump_python(output, mode="json")
        digests = {name: digest(self._folder / name) for name in files}
        entry = Entry(step, begun, seconds, plain, digests, cost)
        self.entries.append(entry)
        write_whole(self._folder / NAME, _ENTRIES.dump_json(self.entries, indent=1))
        return entry


def digest(path: Path) -> str:
    """SHA-256 of a file in hex, or of all files below a folder with their names."""
    found = hashlib.sha256()
    inside = path.is_dir()
    for file in sorted(one for one in path.rglob("*") if one.is_file()) if inside else [path]:
        if inside:
            found.update(f"{file.relative_to(path)}\n".encode())
        with open(file, "rb") as opened:
            while chunk := opened.read(_CHUNK):
                found.update(chunk)
    return found.hexdigest()


def _read(path: Path) -> list[Entry]:
    try:
        return _ENTRIES.validate_python(json.loads(path.read_bytes()))
    except (OSError, ValueError):
        return []


def _whole(folder: Path, entry: Entry) -> bool:
    try:
        return all(digest(folder / name) == told for name, told in entry.files.items())
    except OSError:
        return False
