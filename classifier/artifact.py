"""A model on disk: data files and a manifest that names their sizes and digests.

Files are written under names that hold their digest, the manifest last and by rename, so a reader
finds the old model or the new one. Digests find damage; they do not prove who wrote the files.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 64 * 1024
MAX_FILE_BYTES = 64 * 1024 * 1024


class ArtifactError(Exception):
    """A saved model that cannot be used; the message names the place and what is wrong."""


def write(directory: Path, kind: str, version: int, files: Mapping[str, bytes]) -> None:
    """Save ``files`` by name as one model of ``kind`` in format ``version``."""
    directory.mkdir(parents=True, exist_ok=True)
    entries = {}
    for name, data in files.items():
        digest = hashlib.sha256(data).hexdigest()
        stored = f"{digest[:16]}-{name}"
        _replace(directory / stored, data)
        entries[name] = {"file": stored, "bytes": len(data), "sha256": digest}
    manifest = {"jobmend_model": kind, "version": version, "files": entries}
    _replace(directory / MANIFEST, json.dumps(manifest, indent=1).encode())
    kept = {MANIFEST, *(entry["file"] for entry in entries.values())}
    for path in directory.iterdir():
        name = path.name.partition("-")[2]
        if path.name not in kept and name in files:
            path.unlink(missing_ok=True)


def _replace(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with open(beside, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def read(directory: Path, kind: str, version: int) -> dict[str, bytes]:
    """The files of a saved model, checked; ArtifactError says what is wrong with which file."""
    manifest = _read_manifest(directory)
    if manifest.get("jobmend_model") != kind or manifest.get("version") != version:
        raise ArtifactError(
            f"{directory}: holds {manifest.get('jobmend_model')!r} version "
            f"{manifest.get('version')!r}, wanted is {kind!r} version {version}; train it anew"
        )
    entries = manifest.get("files")
    if not isinstance(entries, dict):
        raise ArtifactError(f"{directory / MANIFEST}: lists no files; train the model anew")
    return {name: _read_entry(directory, entry) for name, entry in entries.items()}


def _read_manifest(directory: Path) -> dict[str, Any]:
    path = directory / MANIFEST
    try:
        manifest = json.loads(_read_bounded(path, MAX_MANIFEST_BYTES))
    except ValueError as error:
        raise ArtifactError(f"{path}: not JSON; train the model anew") from error
    if not isinstance(manifest, dict):
        raise ArtifactError(f"{path}: not a JSON object; train the model anew")
    return manifest


def _read_entry(directory: Path, entry: object) -> bytes:
    stored = entry.get("file") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(stored, str) or "/" in stored:
        raise ArtifactError(f"{directory / MANIFEST}: a damaged entry; train the model anew")
    path = directory / stored
    data = _read_bounded(path, MAX_FILE_BYTES)
    if hashlib.sha256(data).hexdigest() != entry.get("sha256"):
        raise ArtifactError(f"{path}: damaged, its digest is another; train the model anew")
    return data


def _read_bounded(path: Path, limit: int) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error.strerror})") from error
    if len(data) > limit:
        raise ArtifactError(f"{path}: larger than {limit} bytes; it is none of our models")
    return data
