"""Reading an exported model: the seal first, then a bounded NumPy archive without pickles."""

from __future__ import annotations

import io
import json
import os
import tokenize
import zipfile
import zlib
from typing import Any

import numpy as np

from ...jobs.sealing import MAX_MODEL_BYTES, SealError, check_key, unseal
from ...jobs.text import printable
from .layers import LAYERS, Array

MAX_UNPACKED_BYTES = 64 * 1024 * 1024
MAX_MEMBERS = 512
HEADER = "header"  # the member that holds JSON: bytes as uint8
# What zipfile, zlib, json and the reader of an array's header do where bytes are not theirs.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, RecursionError),
    *(ValueError, KeyError, TypeError, EOFError, SyntaxError, OverflowError, MemoryError),
    tokenize.TokenError,
)
_KINDS = "fiu"  # of numbers: floating, integers


class Archive:
    """What an archive holds: the header, and arrays by name."""

    def __init__(self, version: str, header: dict[str, Any], arrays: dict[str, Array]) -> None:
        """Keep them; ``version`` is the seal's."""
        self.version = version
        self.header = header
        self.arrays = arrays


def load(path: str, key_file: str) -> Archive:
    """The archive in a file; SealError where it cannot be read or may not be used."""
    try:
        with open(key_file, "rb") as file:
            key = check_key(file.read(4096))
        with open(path, "rb") as file:
            data = file.read(MAX_MODEL_BYTES + 1)
    except OSError as error:
        raise SealError(f"{error.filename}: cannot be read: {error.strerror}") from error
    try:
        return read(data, key)
    except SealError as error:
        raise SealError(f"{os.path.basename(path)}: {error}") from error


def read(data: bytes, key: bytes) -> Archive:
    """The archive in ``data``, signed with ``key``; SealError says what is wrong."""
    sealed = unseal(data, key)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            arrays = _members(archive)
        header = json.loads(arrays.pop(HEADER).tobytes())
    except _DAMAGE as error:
        what = f"{type(error).__name__}: {printable(str(error), 80)}"
        raise SealError(f"no archive of a model ({what}); have the brain export it anew") from error
    if not isinstance(header, dict):
        raise SealError("its header is no JSON object; have the brain export it anew")
    return Archive(sealed.version, header, arrays)


def _members(archive: zipfile.ZipFile) -> dict[str, Array]:
    """All arrays by name; ValueError where they are too many, too large, or no numbers."""
    entries = archive.infolist()
    if len(entries) > MAX_MEMBERS or sum(one.file_size for one in entries) > MAX_UNPACKED_BYTES:
        raise ValueError(f"more than {MAX_MEMBERS} arrays or {MAX_UNPACKED_BYTES} bytes")
    arrays = {}
    for entry in entries:
        with archive.open(entry) as file:
            content = io.BytesIO(file.read(MAX_UNPACKED_BYTES + 1))
        array = np.lib.format.read_array(content, allow_pickle=False)
        if array.dtype.kind not in _KINDS or not np.isfinite(array).all():
            raise ValueError(f"{entry.filename} holds what is no finite number")
        # At an address that is a multiple of an item's size, as products of matrices want it.
        arrays[entry.filename[: -len(".npy")]] = np.array(array, order="C")
    return arrays


def layers_of(header: dict[str, Any]) -> list[dict[str, Any]]:
    """The list of layers in a header; ValueError where it names one that is not known."""
    layers = header["layers"]
    if not isinstance(layers, list) or len(layers) > MAX_MEMBERS:
        raise ValueError("no list of layers")
    for words in layers:
        if not isinstance(words, dict) or words.get("op") not in LAYERS:
            raise ValueError(f"a layer that this version does not know: {words!r:.80}")
    return layers
