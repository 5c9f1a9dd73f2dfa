"""Text of anybody's as a part of a PromQL expression."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

_REGEX_SIGNS = re.compile(r"([\\.+*?()|\[\]{}^$])")  # what RE2 takes for more than themselves


def quoted(text: str) -> str:
    """``text`` as a string of PromQL, quotes around it; no text ends it or begins another."""
    # The escapes of JSON are a part of Go's, which PromQL has.
    return json.dumps(text.encode("utf-8", "replace").decode(), ensure_ascii=False)


def one_of(values: Iterable[str]) -> str:
    """A quoted regular expression (RE2) that matches exactly these values, for ``=~``."""
    return quoted("|".join(_REGEX_SIGNS.sub(r"\\\1", value) for value in values))
