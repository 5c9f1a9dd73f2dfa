"""The files of champions: kept by number below ``champions/``, published where they are used.

``<models>/champions/<subject>/<number>/`` holds what was promoted, ``<models>/<subject>/`` what
is in use. Nothing here knows the store; :mod:`.champions` says which is which.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...classifier import artifact
from ...classifier.artifact import ArtifactError

FOLDER = "champions"
_LOCK = ".publishing"
_STAGED = ".new-"


def path_of(models: Path, subject: str, number: int) -> Path:
    """Where the files of a champion are kept."""
    return models / FOLDER / subject / str(number)


def stage(models: Path, subject: str, model: Path, turn: str) -> tuple[Path, str]:
    """Copy a saved model beside the kept ones; the copy and the model's digest."""
    name = re.sub(r"[^\w.-]", "_", turn)[:100]
    staged = models / FOLDER / subject / f"{_STAGED}{name}"
    if staged.exists():  # of a process that was killed
        shutil.rmtree(staged)
    artifact.copy(model, staged)
    return staged, artifact.digest(staged)


def settle(models: Path, subject: str, staged: Path, number: int) -> None:
    """Give a staged copy its number; what a killed process left there goes."""
    target = path_of(models, subject, number)
    if target.exists():
        shutil.rmtree(target)
    staged.rename(target)
    _sync(target.parent)


def check(models: Path, subject: str, number: int, digest: str) -> None:
    """ArtifactError where the files are gone, damaged, or another model's."""
    path = path_of(models, subject, number)
    artifact.check(path)
    if artifact.digest(path) != digest:
        raise ArtifactError(f"{path}: is another model than the one that was promoted")


def in_use(models: Path, subject: str) -> str:
    """The digest of the model in use; empty where there is none."""
    try:
        return artifact.digest(models / subject)
    except ArtifactError:
        return ""


@contextmanager
def publishing(models: Path) -> Iterator[None]:
    """One at a time publishes, whichever process it is in."""
    models.mkdir(parents=True, exist_ok=True)
    with open(models / _LOCK, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def publish(models: Path, subject: str, number: int, digest: str) -> None:
    """Put a kept model in use, unless it is; ArtifactError leaves the one before in use."""
    check(models, subject, number, digest)
    target = models / subject
    if in_use(models, subject) != digest:
        artifact.copy(path_of(models, subject, number), target)
        _sync(target)
    _sweep(target)


def prune(models: Path, subject: str, kept: Container[int]) -> None:
    """Remove the files of all champions but ``kept``, and copies that were never promoted."""
    folder = models / FOLDER / subject
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        unused = path.name.isdigit() and int(path.name) not in kept
        if unused or path.name.startswith(_STAGED):
            shutil.rmtree(path, ignore_errors=True)


def _sweep(directory: Path) -> None:
    """Remove the half-written files of processes that were killed; artifact.py names them so."""
    for path in directory.glob(".*.*"):
        pid = path.suffix[1:]
        if pid.isdigit() and not Path("/proc", pid).exists():
            path.unlink(missing_ok=True)


def _sync(directory: Path) -> None:
    """Have renames in a directory survive a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
