"""Making text that strangers wrote safe to show."""

from __future__ import annotations

_ELLIPSIS = "…"


def printable(text: str, limit: int = 200) -> str:
    """``text`` without control, format or surrogate characters, at most ``limit`` characters.

    Terminal escapes, newlines and right-to-left overrides become U+FFFD, so a job's name cannot
    move the cursor, forge a log line or hide what it says.
    """
    if text.isascii() and text.isprintable():
        return text if len(text) <= limit else text[: limit - 1] + _ELLIPSIS
    import unicodedata  # a quarter of a megabyte, which a node with plain names does not need

    shown = "".join(
        "\ufffd" if unicodedata.category(char) in _UNSAFE else char for char in text[: limit + 1]
    )
    return shown if len(shown) <= limit else shown[: limit - 1] + _ELLIPSIS


# Unicode general categories: control, format, surrogate, private use, unassigned, separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
