"""What an action changes of a job, as assignments of ClassAd expressions.

All of them are made here, out of whole numbers and names of a strict pattern. The job's own
Requirements stay, under another name: those for an action stand beside them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from ...jobs.actions import Action
from ...jobs.text import printable
from ..scheduler import Refused

ORIGINAL_REQUIREMENTS = "JobmendOriginalRequirements"
ADDED_REQUIREMENTS = "JobmendRequirements"
ENVIRONMENT = "Environment"  # merged, not replaced: written ``Environment+=NAME=value``

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")  # of a site or a machine
_ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

DataAccess = Mapping[str, Mapping[str, str]]


def assignments(
    action: Action, site_attributes: Sequence[str], data_access: DataAccess, timed_out: str
) -> tuple[str, ...]:
    """The changes as words, ``Name=expression``; Refused where HTCondor cannot do one.

    ``site_attributes`` are the machine's, the first that is defined names its site. ``timed_out``
    is why the run was stopped, which tells which of HTCondor's two limits it was.
    """
    words = []
    if action.memory_bytes is not None:
        words.append(f"RequestMemory={_positive(action.memory_bytes / 2**20)}")  # MB
    if action.walltime_seconds is not None:
        words.append(f"{_limit(timed_out)}={_positive(action.walltime_seconds)}")
    if requirements := _requirements(action, site_attributes):
        words.append(f"{ADDED_REQUIREMENTS}={requirements}")
        words.append(f"Requirements=MY.{ORIGINAL_REQUIREMENTS} && MY.{ADDED_REQUIREMENTS}")
    if action.data_access:
        words += _environment(action.data_access, data_access)
    return tuple(words)


def _limit(timed_out: str) -> str:
    # Manual, condor_submit: allowed_job_duration counts the transfer of files too.
    return "AllowedJobDuration" if "job duration" in timed_out else "AllowedExecuteDuration"


def _positive(amount: float) -> int:
    if not 0 < amount < 2**31:
        raise Refused(f"{amount:g} is no amount that HTCondor can take")
    return math.ceil(amount)


def _requirements(action: Action, site_attributes: Sequence[str]) -> str:
    parts = []
    if action.sites_use or action.sites_avoid:
        site = _site(site_attributes)
        if action.sites_use:
            parts.append(f"stringListMember({site}, {_list(action.sites_use)}) =?= true")
        if action.sites_avoid:
            parts.append(f"stringListMember({site}, {_list(action.sites_avoid)}) =!= true")
    if action.nodes_avoid:
        # A node may be known by its first name alone.
        names, short = _list(action.nodes_avoid), 'split(TARGET.Machine, ".")[0]'
        parts.append(f"stringListIMember(TARGET.Machine, {names}) =!= true")
        parts.append(f"stringListIMember({short}, {names}) =!= true")
    return " && ".join(f"({part})" for part in parts)


def _site(attributes: Sequence[str]) -> str:
    bad = [name for name in attributes if not _ATTRIBUTE.fullmatch(name)]
    if bad or not attributes:
        raise Refused("site_from names no attribute of a machine, so no site can be asked for")
    expression = f"TARGET.{attributes[-1]}"
    for name in reversed(attributes[:-1]):
        expression = f"(TARGET.{name} ?: {expression})"
    return expression


def _list(names: Sequence[str]) -> str:
    for name in names:
        if not _NAME.fullmatch(name):
            raise Refused(f"{printable(name)!r} is no name of a site or a machine")
    return f'"{",".join(names)}"'


def _environment(word: str, data_access: DataAccess) -> list[str]:
    if word not in data_access:
        raise Refused(
            f"no environment is configured for data access {printable(word)!r}: name its"
            " variables in data_access"
        )
    for name, value in data_access[word].items():
        if not _VARIABLE.fullmatch(name) or not value.isprintable():
            raise Refused(f"data_access: {printable(name)!r} is no variable of an environment")
    return [f"{ENVIRONMENT}+={name}={value}" for name, value in data_access[word].items()]


# ---- reading them back -------------------------------------------------------------------------


def parsed(words: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The expressions by attribute, and the variables to be merged into the environment."""
    attributes, variables = {}, {}
    for word in words:
        name, _, expression = word.partition("=")
        if name == f"{ENVIRONMENT}+":
            variable, _, value = expression.partition("=")
            variables[variable] = value
        else:
            attributes[name] = expression
    return attributes, variables


def quoted(text: str) -> str:
    """``text`` as a string literal of the old ClassAd syntax; Refused where none can hold it."""
    if any(char in text for char in "\n\r\0"):
        raise Refused(f"{printable(text)!r} cannot stand in a job's ad")
    escaped = text.replace('"', '\\"')
    return f'"{escaped}"'


def unquoted(literal: str) -> str | None:
    """The text of a string literal; None where it is another expression."""
    inner = literal[1:-1].replace('\\"', "\0")
    if len(literal) < 2 or literal[0] != '"' or literal[-1] != '"' or '"' in inner:
        return None
    return inner.replace("\0", '"')


def environment_v2(variables: Mapping[str, str]) -> str:
    """Variables as Environment has them: ``NAME='value'``, a quote doubled."""
    return " ".join(
        f"{name}='" + value.replace("'", "''") + "'" for name, value in variables.items()
    )
