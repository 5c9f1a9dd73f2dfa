"""An exported model taken apart, and put together again with other parts, signed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from jobmend.jobs.sealing import seal
from tests.agent.scorer.conftest import KEY

Members = dict[str, bytes]


def members(sealed: bytes) -> Members:
    """Its parts, as the files they are."""
    with zipfile.ZipFile(io.BytesIO(sealed)) as file:
        return {name: file.read(name) for name in file.namelist()}


def sealed_again(parts: Members) -> bytes:
    """They are one model again."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in parts.items():
            file.writestr(name, data)
    return seal(buffer.getvalue(), KEY)


def npy(array: Any, *, allow_pickle: bool = False) -> bytes:
    """An array as such a file."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=allow_pickle)
    return buffer.getvalue()


def with_header(parts: Members, change: Callable[[dict[str, Any]], object]) -> Members:
    """The same parts, what the header says changed."""
    header = json.loads(np.load(io.BytesIO(parts["header.npy"])).tobytes())
    change(header)
    text = json.dumps(header).encode()
    return {**parts, "header.npy": npy(np.frombuffer(text, np.uint8))}
