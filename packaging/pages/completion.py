"""Completion for bash out of the tables of options, so that no TAB starts a Python."""

from __future__ import annotations

import re
from dataclasses import dataclass

from markdown import Block, Heading, Table

_OPTION = re.compile(r"`(-[-\w.]+)(?:[ =]([^`]+))?`")
_WORD = re.compile(r"`([a-z][a-z-]*)`")
_FEW = 3  # words in the meaning of an option that are taken for its choices

_SCRIPT = """\
# Completion of @PROGRAM@ for bash: written by packaging/pages, from the documentation.
_@FUNCTION@() {
  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' at
  for ((at = 1; at < COMP_CWORD; at++)); do
    case "$command ${COMP_WORDS[at]}" in
@DESCENTS@
    esac
  done
  case "$command $before" in
@VALUES@
  esac
  local words=
  case $command in
@WORDS@
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _@FUNCTION@ @PROGRAM@
"""


@dataclass
class Command:
    """A command: its words after the program's name, and its options with their values."""

    path: str
    options: dict[str, tuple[str, ...] | str]  # choices, or the kind of value; "" takes none


def commands(program: str, blocks: list[Block]) -> list[Command]:
    """The program itself and its commands, by their headings and tables."""
    found: list[Command] = [Command("", {})]
    for block in blocks:
        if isinstance(block, Heading):
            words = block.text.split()
            if words[0] == program:
                path = " ".join(word for word in words[1:] if word.islower())
                if path:
                    found.append(Command(path, {"--help": ""}))
        elif isinstance(block, Table):
            for row in block.rows:
                found[-1].options.update(_options(row))
    return found


def _options(row: tuple[str, ...]) -> dict[str, tuple[str, ...] | str]:
    choices = tuple(_WORD.findall(row[-1]))
    options = {}
    for flag, value in _OPTION.findall(row[0]):
        options[flag] = choices if value and len(choices) >= _FEW else value
    return options


def script(program: str, blocks: list[Block]) -> str:
    """The completion of one program."""
    known = commands(program, blocks)
    parents = {one.path.rpartition(" ")[0] for one in known if one.path}
    paths = sorted({one.path for one in known} | parents)
    descents = [f"    '{_before(path)}') command='{path}' ;;" for path in paths if path]
    return (
        _SCRIPT.replace("@PROGRAM@", program)
        .replace("@FUNCTION@", program.replace("-", "_"))
        .replace("@DESCENTS@", "\n".join(descents) or "    '') ;;")
        .replace("@VALUES@", "\n".join(_values(known)) or "  '') ;;")
        .replace("@WORDS@", "\n".join(_words(paths, known)))
    )


def _before(path: str) -> str:
    """What the loop sees when it comes to the last word of a command."""
    above, _, last = path.rpartition(" ")
    return f"{above} {last}"


def _values(known: list[Command]) -> list[str]:
    lines = []
    for one in known:
        for flag, value in one.options.items():
            if isinstance(value, tuple):
                reply = f'compgen -W "{" ".join(value)}" -- "$current"'
            elif value in ("FILE", "DIR"):
                reply = f'compgen -{"f" if value == "FILE" else "d"} -- "$current"'
            else:
                continue
            fill = f"mapfile -t COMPREPLY < <({reply})"
            lines.append(f"  '{one.path} {flag}') {fill}; return ;;")
    return lines


def _words(paths: list[str], known: list[Command]) -> list[str]:
    lines = []
    for path in paths:
        below = [one.rpartition(" ")[2] for one in paths if one and _parent(one) == path]
        flags = [flag for one in known if one.path == path for flag in one.options]
        lines.append(f"  '{path}') words='{' '.join((*below, *flags))}' ;;")
    return lines


def _parent(path: str) -> str:
    return path.rpartition(" ")[0]
