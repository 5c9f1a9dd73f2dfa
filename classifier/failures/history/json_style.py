"""JSON read strictly, with the way it is laid out, so that it can be written back the same."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

MAX_BYTES = 256 * 2**20
MAX_VALUES = 5_000_000  # a decoded value takes some 200 bytes of memory
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_NEXT_COMMA = re.compile(rf"{_STRING}|,( *)", re.DOTALL)
_NEXT_COLON = re.compile(rf"{_STRING}|:( *)", re.DOTALL)
_INDENT = re.compile(r"[{\[]\n([ \t]*)")


class JsonError(ValueError):
    """What was read is no JSON document that can be used; the message says where."""


@dataclass(frozen=True)
class Style:
    """How a document is laid out. ``indent`` None: on one line."""

    indent: str | None = " "
    item: str = ","
    colon: str = ": "
    ascii: bool = True
    tail: str = "\n"


class Repeated(dict[str, Any]):
    """An object in which a key stands twice; ``key`` is it."""

    key = ""


@dataclass(frozen=True)
class Document:
    """A decoded document; ``repeated`` are the keys that stand twice in one of its objects."""

    value: Any
    style: Style
    repeated: tuple[str, ...]


def loads(data: bytes) -> Document:
    """Decode UTF-8 JSON within the limits above; JsonError says what is wrong and where.

    NaN and infinities are refused, which the JSON standard (RFC 8259) does not know.
    """
    if len(data) > MAX_BYTES:
        raise JsonError(f"{len(data)} bytes; at most {MAX_BYTES} are read, cut it into parts")
    if sum(map(data.count, (b",", b"{", b"["))) > MAX_VALUES:
        raise JsonError(f"more than {MAX_VALUES} values; cut it into parts")
    repeated: list[str] = []

    def read_object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        marked = Repeated(found)
        marked.key = _first_repeated(pairs)
        repeated.append(marked.key)
        return marked

    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise JsonError(f"not UTF-8, at byte {error.start}") from error
    return Document(_decode(text, read_object), style_of(text), tuple(repeated))


def _decode(text: str, read_object: Callable[[Sequence[tuple[str, Any]]], dict[str, Any]]) -> Any:
    try:
        return json.loads(
            text, object_pairs_hook=read_object, parse_constant=_refuse, parse_float=_finite
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise JsonError(f"not JSON: {error.msg}, {place}") from error
    except RecursionError as error:
        raise JsonError("nested too deeply") from error
    except JsonError:
        raise
    except ValueError as error:  # a whole number of thousands of digits
        raise JsonError("a number has too many digits") from error


def _first_repeated(pairs: Sequence[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return key
        seen.add(key)
    return ""


def _refuse(word: str) -> NoReturn:
    raise JsonError(f"{word} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise JsonError("a number is too large")
    return value


def style_of(text: str) -> Style:
    """The layout of a JSON text, told by its first line break, comma and colon."""
    body = text.rstrip()
    indent = _INDENT.match(body)
    return Style(
        indent=None if indent is None else indent[1],
        item="," + _blanks(_NEXT_COMMA, body, "" if indent else " "),
        colon=":" + _blanks(_NEXT_COLON, body, " "),
        ascii=text.isascii() and "\x7f" not in text,  # which is escaped among plain letters
        tail=text[len(body) :],
    )


def _blanks(separator: re.Pattern[str], text: str, otherwise: str) -> str:
    found = (match[1] for match in separator.finditer(text) if match[1] is not None)
    return next(found, otherwise)


def dumps(value: Any, style: Style) -> bytes:
    """The document in a style. Text that is no Unicode (lone surrogates) is written escaped."""

    def write(ascii: bool) -> bytes:
        text = json.dumps(
            value,
            indent=style.indent,
            separators=(style.item, style.colon),
            ensure_ascii=ascii,
            allow_nan=False,
        )
        return (text + style.tail).encode()

    try:
        return write(style.ascii)
    except UnicodeEncodeError:
        return write(True)
