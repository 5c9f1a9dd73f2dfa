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
    """Save ``files`` by name as one model of ``kind`` in format ``version``.

    ArtifactError, and nothing is written, where one is larger than what is read back.
    """
    for name, data in files.items():
        if len(data) > MAX_FILE_BYTES:
            raise ArtifactError(
                f"{directory}: {name} would have {len(data)} bytes, at most {MAX_FILE_BYTES} are "
                "read back; train a smaller model"
            )
    directory.mkdir(parents=True, exist_ok=True)
    entries = {}
    for name, data in files.items():
        digest = hashlib.sha256(data).hexdigest()
        stored = f"{digest[:16]}-{name}"
        write_whole(directory / stored, data)
        entries[name] = {"file": stored, "bytes": len(data), "sha256": digest}
    manifest = {"jobmend_model": kind, "version": version, "files": entries}
    _finish(directory, json.dumps(manifest, indent=1).encode(), entries)


def _finish(directory: Path, manifest: bytes, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the manifest, then remove the files of the model before."""
    write_whole(directory / MANIFEST, manifest)
    kept = {MANIFEST, *(entry["file"] for entry in entries.values())}
    for path in directory.iterdir():
        name = path.name.partition("-")[2]
        if path.name not in kept and name in entries:
            path.unlink(missing_ok=True)


def copy(source: Path, target: Path) -> None:
    """Save the model in ``source`` in ``target`` too, with the same manifest byte for byte.

    A reader of ``target`` finds the model before or this one. ArtifactError where it is damaged.
    """
    data = _read_bounded(source / MANIFEST, MAX_MANIFEST_BYTES)
    entries = _entries(source, _parse_manifest(source / MANIFEST, data))
    target.mkdir(parents=True, exist_ok=True)
    for entry in entries.values():
        content = _read_entry(source, entry)  # checks the entry
        write_whole(target / entry["file"], content)
    _finish(target, data, entries)


def check(directory: Path) -> None:
    """ArtifactError where a saved model of whatever kind is damaged."""
    path = directory / MANIFEST
    manifest = _parse_manifest(path, _read_bounded(path, MAX_MANIFEST_BYTES))
    for entry in _entries(directory, manifest).values():
        _read_entry(directory, entry)


def check_format(directory: Path, kind: str, version: int) -> None:
    """ArtifactError where a saved model is of another kind or version than is wanted."""
    _manifest(directory, kind, version)


def digest(directory: Path) -> str:
    """SHA-256 (hex) of the manifest, which names the digests of all files: which model it is.

    ArtifactError where there is no model.
    """
    return hashlib.sha256(_read_bounded(directory / MANIFEST, MAX_MANIFEST_BYTES)).hexdigest()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a kill leaves the old one or the new one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with open(beside, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def read(directory: Path, kind: str, version: int) -> dict[str, bytes]:
    """The files of a saved model, checked; ArtifactError says what is wrong with which file."""
    entries = _entries(directory, _manifest(directory, kind, version))
    return {name: _read_entry(directory, entry) for name, entry in entries.items()}


def _manifest(directory: Path, kind: str, version: int) -> dict[str, Any]:
    path = directory / MANIFEST
    manifest = _parse_manifest(path, _read_bounded(path, MAX_MANIFEST_BYTES))
    if manifest.get("jobmend_model") != kind or manifest.get("version") != version:
        raise ArtifactError(
            f"{directory}: holds {manifest.get('jobmend_model')!r} version "
            f"{manifest.get('version')!r}, wanted is {kind!r} version {version}; train it anew"
        )
    return manifest


def _entries(directory: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    entries = manifest.get("files")
    if not isinstance(entries, dict):
        raise ArtifactError(f"{directory / MANIFEST}: lists no files; train the model anew")
    return entries


def _parse_manifest(path: Path, data: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(data)
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
