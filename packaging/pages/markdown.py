"""The part of Markdown that the project's pages use, read into blocks."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Union

_HEADING = re.compile(r"^(#+) (.+)$")
_RULE = re.compile(r"^\|[-| :]+\|$")
_OTHERS = ("#", "|", "```")  # with these, what is no running text begins
_CELLS = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Heading:
    """A heading; ``level`` is its number of hashes."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list without numbers."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A table: the cells of its header, and those of each row."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Code:
    """Lines shown as they are."""

    lines: tuple[str, ...]


Block = Union[Heading, Paragraph, Bullets, Table, Code]


def parse(text: str) -> list[Block]:
    """The blocks of a page, in order."""
    blocks: list[Block] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        if lines[at].strip():
            block, at = _block(lines, at)
            blocks.append(block)
        else:
            at += 1
    return blocks


def sections(blocks: list[Block], names: list[str]) -> list[Block]:
    """What stands below the headings of these names, the headings included; KeyError if none."""
    found: list[Block] = []
    for name in names:
        level = 0  # of the heading whose section is being taken over; 0: none
        before = len(found)
        for block in blocks:
            if isinstance(block, Heading):
                if level and block.level <= level:
                    level = 0
                if block.text == name:
                    level = block.level
            if level:
                found.append(block)
        if len(found) == before:
            raise KeyError(f"no heading {name!r}")
    return found


def _block(lines: list[str], at: int) -> tuple[Block, int]:
    heading = _HEADING.match(lines[at])
    if heading:
        return Heading(len(heading[1]), heading[2]), at + 1
    if lines[at].startswith("```"):
        end = next(n for n in range(at + 1, len(lines)) if lines[n].startswith("```"))
        return Code(tuple(lines[at + 1 : end])), end + 1
    if lines[at].startswith("    "):
        end = _end(lines, at, lambda line: line.startswith("    "))
        return Code(tuple(line[4:] for line in lines[at:end])), end
    if lines[at].startswith("|"):
        end = _end(lines, at, lambda line: line.startswith("|"))
        return _table(lines[at:end]), end
    end = _end(lines, at, lambda line: line.strip() and not line.startswith(_OTHERS))
    if lines[at].startswith("- "):
        return Bullets(_items(lines[at:end])), end
    return Paragraph(" ".join(line.strip() for line in lines[at:end])), end


def _end(lines: list[str], at: int, holds: Callable[[str], object]) -> int:
    """The line after the last of a run of lines; the first belongs to it in any case."""
    end = at + 1
    while end < len(lines) and holds(lines[end]):
        end += 1
    return end


def _table(lines: list[str]) -> Table:
    rows = [
        tuple(cell.strip().replace("\\|", "|") for cell in _CELLS.split(line.strip())[1:-1])
        for line in lines
        if not _RULE.match(line)
    ]
    return Table(rows[0], tuple(rows[1:]))


def _items(lines: list[str]) -> tuple[str, ...]:
    items: list[str] = []
    for line in lines:
        if line.startswith("- "):
            items.append(line[2:].strip())
        else:
            items[-1] += " " + line.strip()
    return tuple(items)
