"""What was told of each run, kept file by file as it came, so that a recording can go on."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .receiver import Document

SUFFIX = ".json.gz"


@dataclass(frozen=True)
class Take:
    """One run: what it was, when its slot began (epoch), and the messages told of it."""

    job_type: str
    fault: str
    repeat: int
    scheduler: str
    began: float
    documents: list[Document]


def folder_of(out: Path) -> Path:
    """Where the takes of a data set lie."""
    return out / "takes"


def save(out: Path, name: str, takes: Sequence[Take]) -> None:
    """Keep the takes of one slot, whole or not at all."""
    path = folder_of(out) / f"{name}{SUFFIX}"
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}")
    beside.write_bytes(gzip.compress(json.dumps([asdict(take) for take in takes]).encode()))
    os.replace(beside, path)


def recorded_names(out: Path) -> set[str]:
    """The slots that were recorded already."""
    return {path.name[: -len(SUFFIX)] for path in folder_of(out).glob(f"[!.]*{SUFFIX}")}


def load(out: Path) -> list[Take]:
    """All takes, in the order of their names."""
    takes: list[Take] = []
    for path in sorted(folder_of(out).glob(f"[!.]*{SUFFIX}")):
        takes += [Take(**fields) for fields in json.loads(gzip.decompress(path.read_bytes()))]
    return takes
