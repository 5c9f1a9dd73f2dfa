"""Strict reading of one JSON object: each getter checks type and bounds and names what is wrong."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

MAX_NAME = 256  # characters of any name

_Enum = TypeVar("_Enum", bound=enum.Enum)
_Value = TypeVar("_Value")


class WireError(ValueError):
    """A message that cannot be accepted; ``field`` is the path of what is wrong in it."""

    def __init__(self, field: str, problem: str) -> None:
        """Say what is wrong with which field."""
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Fields:
    """A JSON object being read: every getter checks type and bounds, and names what is wrong."""

    def __init__(self, document: object, path: str) -> None:
        """Wrap ``document``, known as ``path`` in errors."""
        if not isinstance(document, Mapping):
            raise WireError(path, f"{_type_name(document)}, an object is wanted")
        self._document = document
        self._path = path

    def _get(self, name: str) -> Any:
        if name not in self._document:
            raise WireError(f"{self._path}.{name}", "missing")
        return self._document[name]

    def _fail(self, name: str, value: object, wanted: str) -> WireError:
        return WireError(f"{self._path}.{name}", f"{_type_name(value)}, {wanted} is wanted")

    def has(self, name: str) -> bool:
        """Is the field there and not null?"""
        return self._document.get(name) is not None

    def optional(self, getter: Callable[[str], _Value], name: str) -> _Value | None:
        """``getter(name)``, or None where the field is absent or null."""
        return getter(name) if self.has(name) else None

    def text(self, name: str, limit: int = MAX_NAME) -> str:
        """A string of at most ``limit`` characters."""
        value = self._get(name)
        if not isinstance(value, str):
            raise self._fail(name, value, "a string")
        if len(value) > limit:
            raise WireError(f"{self._path}.{name}", f"longer than {limit} characters")
        return value

    def name(self, name: str) -> str:
        """A string that is not empty and can be a part of a key: no slash, no control."""
        value = self.text(name)
        if not value or "/" in value or not value.isprintable():
            raise WireError(
                f"{self._path}.{name}", "empty, or holds a slash or a control character"
            )
        return value

    def number(self, name: str) -> float:
        """A finite number."""
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._fail(name, value, "a number")
        try:
            number = float(value)
        except OverflowError:  # JSON may hold a whole number of any length
            number = math.inf
        if not math.isfinite(number):
            raise WireError(f"{self._path}.{name}", "not finite")
        return number

    def amount(self, name: str) -> float:
        """A number that is not negative."""
        value = self.number(name)
        if value < 0:
            raise WireError(f"{self._path}.{name}", "negative")
        return value

    def integer(self, name: str) -> int:
        """A whole number of at most 64 bits."""
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._fail(name, value, "a whole number")
        if not -(2**63) <= value < 2**63:
            raise WireError(f"{self._path}.{name}", "outside 64 bits")
        return value

    def count(self, name: str) -> int:
        """A whole number that is not negative."""
        value = self.integer(name)
        if value < 0:
            raise WireError(f"{self._path}.{name}", "negative")
        return value

    def member(self, name: str, words: type[_Enum]) -> _Enum:
        """A word of an enumeration."""
        value = self.text(name)
        try:
            return words(value)
        except ValueError:
            known = ", ".join(str(word.value) for word in words)
            raise WireError(f"{self._path}.{name}", f"{value!r} is none of {known}") from None

    def array(self, name: str, limit: int) -> list[Any]:
        """A list of at most ``limit`` members."""
        value = self._get(name)
        if not isinstance(value, list):
            raise self._fail(name, value, "a list")
        if len(value) > limit:
            raise WireError(f"{self._path}.{name}", f"more than {limit} members")
        return value

    def object(self, name: str, path: str | None = None) -> Fields:
        """An object inside this one."""
        return Fields(self._get(name), path or f"{self._path}.{name}")


def _type_name(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean"}
    if value is None:
        return "null"
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else "something")
