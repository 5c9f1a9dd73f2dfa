"""Programs that a scheduler starts: are they there, can they run, can strangers change them?"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

MAX_FOLLOWED = 20  # programs that call each other
_CALLED = re.compile(r"(?<![\w./+-])(/[\w./+-]*jobmend[\w./+-]*)")
_SOCKET = re.compile(r"^\s*(?:export\s+)?JOBMEND_HOOK_SOCKET=[\"']?([^\s\"']+)", re.M)
_COMMENT = re.compile(r"^\s*#.*$", re.M)


class Flaw(NamedTuple):
    """What is wrong with a file, in a few words, and the cure."""

    text: str
    cure: str


class Unseen(Exception):
    """This user may not look at the file."""


def flaw_of(path: str, root: Path = Path("/"), owners: Sequence[int] = (0,)) -> Flaw | None:
    """What keeps the program ``path`` from being started safely, or None.

    It must be a regular file that all may execute, belong to one of ``owners`` (uids), and lie
    where only they can replace it. ``path`` is looked up below ``root``. Unseen where that is
    not allowed.
    """
    if not path.startswith("/"):
        return Flaw(f"{path}: no absolute path", "give the program's whole path")
    there = root / path.lstrip("/")
    try:
        found = there.stat()
    except PermissionError:
        raise Unseen(f"{path}: this user may not look there") from None
    except OSError as error:
        return Flaw(f"{path}: {error.strerror}", "install it, or correct the path")
    if not stat.S_ISREG(found.st_mode):
        return Flaw(f"{path}: no regular file", "install the program there")
    if found.st_mode & 0o111 != 0o111:
        return Flaw(f"{path}: not executable", f"chmod 755 {path}")
    if found.st_uid not in owners:
        return Flaw(f"{path}: belongs to user {found.st_uid}", f"chown root: {path}")
    if found.st_mode & 0o022:
        return Flaw(f"{path}: others than its owner may change it", f"chmod go-w {path}")
    return _open_folder(path, root, owners)


def _open_folder(path: str, root: Path, owners: Sequence[int]) -> Flaw | None:
    """The first directory above ``path`` in which others may put another file in its place."""
    for folder in Path(path).parents:
        found = (root / str(folder).lstrip("/")).stat()
        if found.st_uid not in owners or (found.st_mode & 0o002 and not found.st_mode & 0o1000):
            who = "everybody" if found.st_uid in owners else f"user {found.st_uid}"
            text = f"{path}: {who} may replace it, by the directory {folder}"
            return Flaw(text, f"chown root: {folder}; chmod o-w {folder}")
    return None


def calls_jobmend(path: str, root: Path = Path("/")) -> bool:
    """Is this a program of jobmend, or a script that names one? Unseen where it is not told."""
    return "jobmend" in path or "jobmend" in _script(path, root)


def fault_of_hook(path: str, root: Path = Path("/"), agent_socket: str = "") -> Flaw | None:
    """The first thing wrong with a hook and with the programs of jobmend it calls in turn.

    Where ``agent_socket`` is known, a script that tells another socket is wrong too. Unseen
    where something may not be read.
    """
    waiting, done = [path], set[str]()
    while waiting and len(done) < MAX_FOLLOWED:
        path = waiting.pop(0)
        done.add(path)
        flaw = flaw_of(path, root)
        if flaw is not None:
            return flaw
        text = _script(path, root)
        told = _SOCKET.findall(text)
        if told and agent_socket and told[-1] != agent_socket:
            text = f"{path}: tells {told[-1]}, and the agent listens at {agent_socket}"
            return Flaw(text, f"write JOBMEND_HOOK_SOCKET={agent_socket} into {path}")
        waiting += [one for one in _called(text, root) if one not in done]
    return None


def _script(path: str, root: Path, limit: int = 65536) -> str:
    """What a script does, without its comments; empty of what is none, or not there."""
    try:
        with open(root / path.lstrip("/"), "rb") as file:
            text = file.read(limit)
    except PermissionError:
        raise Unseen(f"{path}: this user may not read it") from None
    except OSError:
        return ""
    return _COMMENT.sub("", text.decode(errors="replace")) if text.startswith(b"#!") else ""


def _called(text: str, root: Path) -> list[str]:
    """Programs of jobmend that a script names by their whole path."""
    named = _CALLED.findall(_SOCKET.sub("", text))
    return [one for one in named if not (root / one[1:]).is_dir() and not one.endswith(".sock")]


def running(*names: str, proc_root: Path = Path("/proc")) -> bool:
    """Does a process run here whose name is one of ``names``?"""
    for entry in os.listdir(proc_root):
        if entry.isdigit():
            try:
                if (proc_root / entry / "comm").read_text().strip() in names:
                    return True
            except OSError:
                continue  # it ended meanwhile
    return False
