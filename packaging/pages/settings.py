"""A commented TOML file, such as etc/agent.toml, as the blocks of its manual page."""

from __future__ import annotations

import re

from markdown import Block, Heading, Paragraph, Table

_SECTION = re.compile(r"^#?\[+([\w.<>-]+)\]+$")
_KEY = re.compile(r"^#?([A-Za-z_][\w-]*) = (.+)$")  # prose has a blank after its hash


def blocks(text: str) -> list[Block]:
    """Sections with their keys, each with its default and the comment above it."""
    out: list[Block] = []
    said: list[str] = []
    for line in text.splitlines():
        section, key = _SECTION.match(line), _KEY.match(line)
        if key:
            meaning = " ".join(said)
            out.append(Table(("key", "meaning"), ((f"`{key[1]}` = `{key[2]}`", meaning),)))
            said = []
        elif line.startswith("# "):
            said.append(line[2:].strip())
        else:
            out.extend(_said(said))
            said = []
            if section:
                out.append(Heading(3, f"`[{section[1]}]`"))
    return [*out, *_said(said)]


def _said(lines: list[str]) -> list[Block]:
    return [Paragraph(" ".join(lines))] if lines else []
