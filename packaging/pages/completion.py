"""Completion for bash out of the tables of options, so that no TAB starts a Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from markdown import Block, Heading, Table

_OPTION = re.compile(r"`(-[-\w.]+)(?:[ =]([^`]+))?`")
_WORD = re.compile(r"`([a-z][a-z-]*)`")
_FEW = 2  # words in the meaning of an option that are taken for its choices
_ACTIONS = {  # what compgen -A offers for a name of a value
    "FILE": "file",
    "DIR": "directory",
    "COMMAND": "command -A file",
}

_SCRIPT = """\
# Completion of @PROGRAM@ for bash: written by packaging/pages, from the documentation.
_@FUNCTION@() {
  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local command='' words='' action='' at
  for ((at = 1; at < COMP_CWORD; at++)); do
    case "$command ${COMP_WORDS[at]}" in
@DESCENTS@
    esac
  done
  case "$command $before" in
@VALUES@
  *)
    case $command in
@WORDS@
    esac
    ;;
  esac
  mapfile -t COMPREPLY < <(
    compgen -W "$words" -- "$current"
    [ -z "$action" ] || compgen -A $action -- "$current"
  )
  # A slash after a folder, no blank: there is more to come.
  [ -z "$action" ] || compopt -o filenames 2>/dev/null
}
complete -F _@FUNCTION@ @PROGRAM@
"""


@dataclass(frozen=True)
class Value:
    """What follows an option or a command: its name in the page, and the choices, where few."""

    name: str
    choices: tuple[str, ...] = ()

    def assignment(self) -> str:
        """The line of shell that offers it; empty where nothing can be offered."""
        if self.choices:
            return f"words='{' '.join(self.choices)}'"
        return f"action='{_ACTIONS[self.name]}'" if self.name in _ACTIONS else ""


@dataclass
class Command:
    """A command: its words after the program's name, what follows them, and its options."""

    path: str
    follows: tuple[str, ...] = ()
    options: dict[str, Value | None] = field(default_factory=dict)  # None: takes no value

    def valued(self) -> list[str]:
        """The options that a value follows, as the script's cases see them."""
        return [f"'{self.path} {flag}'" for flag, value in self.options.items() if value]


def commands(program: str, blocks: list[Block]) -> list[Command]:
    """The program itself and its commands, by their headings and tables."""
    found: list[Command] = [Command("")]
    for block in blocks:
        if isinstance(block, Heading):
            words = block.text.split()
            if words[0] == program:
                path = " ".join(word for word in words[1:] if word.islower())
                follows = tuple(word.rstrip(".") for word in words[1:] if word.isupper())
                if path:
                    found.append(Command(path, follows, {"--help": None}))
        elif isinstance(block, Table):
            for row in block.rows:
                found[-1].options.update(_options(row))
    return found


def _options(row: tuple[str, ...]) -> dict[str, Value | None]:
    choices = tuple(_WORD.findall(row[-1]))
    return {
        flag: Value(name, choices if len(choices) >= _FEW and name not in _ACTIONS else ())
        if name
        else None
        for flag, name in _OPTION.findall(row[0])
    }


def script(program: str, blocks: list[Block]) -> str:
    """The completion of one program."""
    known = commands(program, blocks)
    parents = {_parent(one.path) for one in known if one.path}
    known += [Command(one, (), {"--help": None}) for one in parents - {one.path for one in known}]
    known.sort(key=lambda one: one.path)
    return (
        _SCRIPT.replace("@PROGRAM@", program)
        .replace("@FUNCTION@", program.replace("-", "_"))
        .replace("@DESCENTS@", "\n".join(_descents(known, parents)) or "    '') ;;")
        .replace("@VALUES@", "\n".join(_values(known)) or "  '') ;;")
        .replace("@WORDS@", "\n".join(_words(known)))
    )


def _descents(known: list[Command], parents: set[str]) -> Iterator[str]:
    """How the loop goes from word to word; a value of an option may be named like a command."""
    for one in known:
        if one.path:
            above, _, last = one.path.rpartition(" ")
            yield f"    '{above} {last}') command='{one.path}' ;;"
        if one.path in parents and one.valued():
            yield f"    {' | '.join(one.valued())}) ((at++)) ;;"


def _values(known: list[Command]) -> Iterator[str]:
    cases: dict[str, list[str]] = {}
    for one in known:
        for flag, value in one.options.items():
            if value:
                cases.setdefault(value.assignment(), []).append(f"'{one.path} {flag}'")
    for assignment, patterns in cases.items():
        yield f"  {' | '.join(patterns)}) {assignment or ':'} ;;"


def _words(known: list[Command]) -> Iterator[str]:
    """What a command offers: those below it, its options, and what follows it by its name."""
    named = {
        value.name: value for one in known for value in one.options.values() if value is not None
    }
    for one in known:
        below = [each.path for each in known if each.path and _parent(each.path) == one.path]
        words = [*(path.rpartition(" ")[2] for path in below), *one.options]
        following = [named.get(name, Value(name)) for name in one.follows]
        words += [word for value in following for word in value.choices]
        actions = [f" {value.assignment()}" for value in following if value.name in _ACTIONS]
        yield f"    '{one.path}') words='{' '.join(words)}'{''.join(actions)} ;;"


def _parent(path: str) -> str:
    return path.rpartition(" ")[0]
