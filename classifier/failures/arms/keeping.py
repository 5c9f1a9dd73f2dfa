"""How arms keep what they learned: arrays as npz, words and numbers as JSON, never a pickle."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ...artifact import ArtifactError
from ...parameters import Parametrised


def unfitted(name: str) -> ValueError:
    """The error of an arm that was asked before it learned."""
    return ValueError(f"the arm {name} is not fitted: call fit() or restore() first")


@contextmanager
def damaged(name: str, *more: type[Exception]) -> Iterator[None]:
    """Turn what a damaged file of arm ``name`` raises, also ``more``, into ArtifactError."""
    usual = (KeyError, IndexError, TypeError, ValueError, AttributeError)
    caught: tuple[type[Exception], ...] = (*usual, *more)
    try:
        yield
    except caught as error:
        raise ArtifactError(
            f"the saved arm {name} is damaged or of another version; train it anew"
        ) from error


class KeptArm(Parametrised):
    """An arm whose ``files`` hold ``arm.json``, with its classes; ``_take`` reads all the rest."""

    name: ClassVar[str]
    classes_: tuple[str, ...]

    @classmethod
    def restore(cls, params: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """The arm that ``files`` kept; ArtifactError where they are damaged."""
        with damaged(cls.name):
            arm = cls(**params)
            learned = json.loads(files["arm.json"])
            arm.classes_ = classes_of(learned)
            arm._take(learned, files)
        return arm

    def _take(self, learned: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        """Take what was learned out of ``arm.json`` and the other files; ValueError for others."""
        raise NotImplementedError


def part(files: Mapping[str, bytes], prefix: str) -> dict[str, bytes]:
    """Those of ``files`` that begin with ``prefix``, without it."""
    return {name[len(prefix) :]: data for name, data in files.items() if name.startswith(prefix)}


def json_bytes(document: Mapping[str, Any]) -> bytes:
    """``document`` as JSON."""
    return json.dumps(document).encode()


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """``arrays`` by name in one compressed file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def npz_arrays(data: bytes) -> dict[str, NDArray[Any]]:
    """What :func:`npz_bytes` wrote; ValueError where it is damaged or holds objects."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise ValueError("not an npz file") from error


def classes_of(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The classes that an arm's JSON names; ValueError where they are none."""
    classes = document["classes"]
    if not isinstance(classes, list) or len(set(classes)) < 2 or sorted(classes) != classes:
        raise ValueError("no classes")
    return tuple(str(word) for word in classes)
