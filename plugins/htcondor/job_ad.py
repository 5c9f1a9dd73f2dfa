"""The job's ad as HTCondor gives it to hooks: ``Name = value`` on a line, the old ClassAd syntax.

Source: the manual, "ClassAds", and what hooks of 25.14 are given. A string has quotes around it,
and a quote in it has a backslash before; any other backslash is one. No value holds a newline. A
value may be an expression: that is passed over.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing itself would take a tenth of the hook's time
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Union

    Literal = Union[str, bool, float]  # a whole number is a float without a fraction
    Ad = Mapping[str, Literal]  # by names in lower case

MAX_NUMBER = 24  # characters


def parse(data: bytes, wanted: Collection[str]) -> Ad:
    """The literal values of the attributes ``wanted``, by their names in lower case.

    ClassAd names know no case. The first of two lines counts; all else in the ad is dropped unread.
    """
    told: dict[str, Literal] = {}
    for line in data.split(b"\n"):
        name, equals, text = line.partition(b" = ")
        if equals and len(name) < 64:
            key = name.decode("ascii", "replace").lower()
            if key in wanted and key not in told:
                value = literal(text.decode("utf-8", "replace").strip())
                if value is not None:
                    told[key] = value
    return told


def literal(text: str) -> Literal | None:
    """The string, truth or number that ``text`` is; None where it is anything else."""
    if text[:1] == '"':
        return _string(text)
    word = text.lower()
    if word in ("true", "false"):
        return word == "true"
    if len(text) > MAX_NUMBER or not text[:1].isascii() or text[:1] not in "+-.0123456789":
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < 2.0**63 else None


def _string(text: str) -> str | None:
    if len(text) < 2 or text[-1] != '"':
        return None
    parts = text[1:-1].split('\\"')
    return None if any('"' in part for part in parts) else '"'.join(parts)
