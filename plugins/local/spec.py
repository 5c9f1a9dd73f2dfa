"""What is to be run: one job as its submitter described it, as JSON and back, strictly read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ...jobs.fields import MAX_NAME, Fields, WireError
from ...jobs.wire import MAX_TEXT
from .quantities import parse_size, parse_time

MAX_WORDS = 4096  # arguments, and as many variables
MAX_WORD = 128 * 1024 - 1  # bytes of one of them: Linux's MAX_ARG_STRLEN
MAX_PATH = 4095  # Linux's PATH_MAX
MAX_CPUS = 4096
DEFAULT_SITE = "local"

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True)
class JobSpec:
    """One job. Names and comment are data from strangers: they reach no shell and no path.

    ``env`` is the job's whole environment; ``stdout`` and ``stderr`` are absolute paths, empty for
    files in the queue's output folder; a limit of None is no limit.
    """

    argv: tuple[str, ...]
    cwd: str
    workflow: str = ""
    site: str = DEFAULT_SITE
    name: str = ""
    comment: str = ""
    memory_bytes: int | None = None
    walltime_seconds: float | None = None
    cpus: int = 1
    env: Mapping[str, str] = field(default_factory=dict)
    stdout: str = ""
    stderr: str = ""

    def document(self) -> dict[str, object]:
        """The spec as a JSON object; the environment is a list of ``NAME=value``."""
        env = [f"{name}={value}" for name, value in self.env.items()]
        return {**vars(self), "argv": list(self.argv), "env": env}

    def to_json(self) -> str:
        """The spec as one line of ASCII JSON."""
        return json.dumps(self.document(), separators=(",", ":"), allow_nan=False)


def spec_from_json(text: str) -> JobSpec:
    """Read :meth:`JobSpec.to_json` back; WireError names what is wrong."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise WireError("job", f"not JSON ({type(error).__name__})") from error
    return read_spec(document)


def read_spec(document: object) -> JobSpec:
    """A spec out of its JSON object; WireError names the field that cannot be used."""
    fields = Fields(document, "job")
    cpus = fields.count("cpus")
    if not 1 <= cpus <= MAX_CPUS:
        raise WireError("job.cpus", f"{cpus}, between 1 and {MAX_CPUS} are wanted")
    argv = _read_words(fields, "argv")
    if not argv or not argv[0]:
        raise WireError("job.argv", "empty, a command is wanted")
    return JobSpec(
        argv=argv,
        cwd=_read_path(fields, "cwd"),
        workflow=_read_label(fields, "workflow"),
        site=_read_label(fields, "site"),
        name=_read_label(fields, "name"),
        comment=_read_label(fields, "comment", MAX_TEXT),
        memory_bytes=_above_zero("memory_bytes", fields.optional(fields.count, "memory_bytes")),
        walltime_seconds=_above_zero(
            "walltime_seconds", fields.optional(fields.amount, "walltime_seconds")
        ),
        cpus=cpus,
        env=_read_env(fields),
        stdout=_read_path(fields, "stdout"),
        stderr=_read_path(fields, "stderr"),
    )


def new_spec(
    command: Sequence[str],
    *,
    workflow: str = "",
    site: str = "",
    name: str = "",
    comment: str = "",
    memory: str = "",
    walltime: str = "",
    cpus: int = 1,
    variables: Iterable[str] | None = None,
    stdout: str = "",
    stderr: str = "",
) -> JobSpec:
    """A spec as a person writes it on a command line, in this directory and environment.

    ``variables`` names what the job gets of the environment, None for all of it; the workflow is
    the command's name where none is given. ValueError when ``memory`` or ``walltime`` is unclear.
    """
    chosen = os.environ if variables is None else {*variables} & os.environ.keys()
    return JobSpec(
        argv=tuple(command),
        cwd=os.getcwd(),
        workflow=workflow or os.path.basename(command[0] if command else ""),
        site=site or DEFAULT_SITE,
        name=name,
        comment=comment,
        memory_bytes=parse_size(memory) if memory else None,
        walltime_seconds=parse_time(walltime) if walltime else None,
        cpus=cpus,
        env={variable: os.environ[variable] for variable in sorted(chosen)},
        stdout=os.path.abspath(stdout) if stdout else "",
        stderr=os.path.abspath(stderr) if stderr else "",
    )


def _read_words(fields: Fields, name: str) -> tuple[str, ...]:
    words = fields.array(name, MAX_WORDS)
    for index, word in enumerate(words):
        _check(f"job.{name}[{index}]", word)
    return tuple(words)


def _read_env(fields: Fields) -> dict[str, str]:
    pairs = [word.partition("=") for word in _read_words(fields, "env")]
    if any(not name or not equals for name, equals, _ in pairs):
        raise WireError("job.env", "NAME=value is wanted")
    return {name: value for name, _, value in pairs}


def _read_path(fields: Fields, name: str) -> str:
    path = fields.text(name, MAX_PATH)
    _check(f"job.{name}", path)
    if path and not path.startswith("/"):
        raise WireError(f"job.{name}", "not absolute")
    return path


def _read_label(fields: Fields, name: str, limit: int = MAX_NAME) -> str:
    label = fields.text(name, limit)
    _check(f"job.{name}", label)
    # Bytes of a command line that are no UTF-8 arrive as surrogates, which SQLite refuses.
    return label.encode(errors="surrogatepass").decode(errors="replace")


def _check(path: str, text: object) -> None:
    if not isinstance(text, str):
        raise WireError(path, "a string is wanted")
    if "\0" in text:
        raise WireError(path, "holds a NUL character")
    try:
        size = len(text.encode(errors="surrogateescape"))
    except UnicodeEncodeError as error:
        raise WireError(path, "holds characters that no command line can") from error
    if size > MAX_WORD:
        raise WireError(path, f"longer than {MAX_WORD} bytes")


def _above_zero(name: str, number: _Number | None) -> _Number | None:
    if number is not None and number <= 0:
        raise WireError(f"job.{name}", f"{number:g}, more than 0 is wanted")
    return number
