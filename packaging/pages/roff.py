"""Blocks as a manual page in the macros of man(7)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from markdown import Block, Bullets, Code, Heading, Paragraph, Table

_INLINE = re.compile(r"`([^`]+)`|\[([^\]]+)\]\([^)]+\)|\*\*([^*]+)\*\*|\*([^*]+)\*")


@dataclass(frozen=True)
class Title:
    """What stands above and below a page; ``date`` is ISO's, such as 2026-11-21."""

    name: str
    section: str
    summary: str
    version: str
    date: str


def page(title: Title, blocks: list[Block]) -> str:
    """The whole page; headings of level 2 become its sections."""
    lines = [
        f'.TH {title.name.upper()} {title.section} {title.date} "jobmend {title.version}" jobmend',
        ".nh",
        ".ad l",
        ".SH NAME",
        f"{_plain(title.name)} \\- {inline(title.summary)}",
    ]
    above: Block | None = None
    for block in blocks:
        rendered = list(_rendered(block))
        # A heading begins a paragraph itself.
        lines.extend(rendered[1 if rendered[0] == ".PP" and isinstance(above, Heading) else 0 :])
        above = block
    return "\n".join(lines) + "\n"


def _rendered(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        # Quotes would end the macro's argument.
        text = inline(block.text).replace('"', "\\(dq")
        yield f".SH {text.upper()}" if block.level <= 2 else f".SS {text}"
    elif isinstance(block, Paragraph):
        yield from (".PP", _line(inline(block.text)))
    elif isinstance(block, Bullets):
        for item in block.items:
            yield from (".IP \\(bu 2", _line(inline(item)))
    elif isinstance(block, Code):
        yield from (".PP", ".RS 4", ".nf")
        yield from (_line(_plain(line)) for line in block.lines)
        yield from (".fi", ".RE")
    else:
        yield from _table(block)


def _table(table: Table) -> Iterator[str]:
    """Each row as a term and what is said of it; further columns are named by their header."""
    for row in table.rows:
        said = [inline(row[1])] if len(row) > 1 else []
        if len(row) > 2:
            named = zip(table.header[1:], row[1:])
            said = [f"{inline(title)}: {inline(cell)}" for title, cell in named if cell]
        yield from (".TP", _line(inline(row[0])), _line("; ".join(said) or "\\&"))


def inline(text: str) -> str:
    """Running text with its code and strong words in bold, and the words of links."""
    out, at = [], 0
    for found in _INLINE.finditer(text):
        out.append(_plain(text[at : found.start()]))
        code, link, strong, emphasis = found.groups()
        if emphasis:
            out.append(f"\\fI{_plain(emphasis)}\\fR")
        elif link:
            out.append(inline(link))
        else:
            out.append(f"\\fB{_plain(code or strong)}\\fR")
        at = found.end()
    return "".join((*out, _plain(text[at:])))


def _plain(text: str) -> str:
    """Characters that troff would read as its own, escaped; a minus stays one to copy."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return text.replace("`", "\\(ga").replace("~", "\\(ti").replace("^", "\\(ha")


def _line(text: str) -> str:
    """A line that no leading dot makes a request; an empty one is no paragraph."""
    return f"\\&{text}" if text.startswith(".") or not text else text
