"""Hooks that cannot be started, can be changed by strangers, or tell the wrong socket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobmend.plugins.doctor.programs import Unseen, calls_jobmend, fault_of_hook, flaw_of, running

OURS = (0, os.getuid())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root of our own, in which /opt/jobmend-hook is in order."""
    folder = tmp_path / "opt"
    folder.mkdir(mode=0o755)
    program(folder / "jobmend-hook", "exit 0")
    return tmp_path


def program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n# of jobmend\n{line}\n")
    path.chmod(0o755)


def flaw(root: Path) -> str:
    found = flaw_of("/opt/jobmend-hook", root, OURS)
    return found.text.partition(": ")[2] if found else ""


def test_a_program_in_order_has_no_flaw(root: Path) -> None:
    assert flaw_of("/opt/jobmend-hook", root, OURS) is None


def test_each_flaw_is_named_with_its_cure(root: Path) -> None:
    there = root / "opt" / "jobmend-hook"
    there.chmod(0o744)
    assert flaw_of("/opt/jobmend-hook", root, OURS) == (
        "/opt/jobmend-hook: not executable",
        "chmod 755 /opt/jobmend-hook",
    )
    there.chmod(0o777)
    assert flaw(root) == "others than its owner may change it"
    there.chmod(0o755)
    found = flaw_of("/opt/jobmend-hook", root, (os.getuid() + 1,))
    assert found is not None and found.cure == "chown root: /opt/jobmend-hook"
    there.unlink()
    assert flaw(root) == "No such file or directory"
    there.mkdir()
    assert flaw(root) == "no regular file"
    relative = flaw_of("jobmend-hook", root)
    assert relative is not None and "no absolute path" in relative.text


def test_a_folder_that_everybody_may_write_to_is_a_flaw_unless_it_is_sticky(root: Path) -> None:
    (root / "opt").chmod(0o777)
    assert flaw(root) == "everybody may replace it, by the directory /opt"
    (root / "opt").chmod(0o1777)
    assert flaw(root) == ""


@pytest.fixture
def nobody() -> Iterator[None]:
    """Root may look everywhere, so it is somebody else for a while."""
    if os.getuid() == 0:
        os.seteuid(65534)
    yield
    if os.getuid() == 0:
        os.seteuid(0)


def test_what_may_not_be_seen_is_not_called_missing(root: Path, nobody: None) -> None:
    if os.getuid() != 0:
        (root / "opt").chmod(0)
    with pytest.raises(Unseen):
        flaw_of("/opt/jobmend-hook", root, OURS)
    with pytest.raises(Unseen):
        calls_jobmend("/opt/site-prolog", root)
    if os.getuid() != 0:
        (root / "opt").chmod(0o755)


def test_only_a_script_that_names_jobmend_calls_it(root: Path) -> None:
    program(root / "opt" / "site-prolog", "/opt/jobmend-hook")
    program(root / "opt" / "other", "exit 0 # and not /opt/x")
    assert calls_jobmend("/opt/jobmend-hook", root)
    assert calls_jobmend("/opt/site-prolog", root)
    assert not calls_jobmend("/opt/other", root), "a comment calls nothing"
    assert not calls_jobmend("/opt/none", root)


@pytest.mark.skipif(os.getuid() != 0, reason="hooks belong to root")
def test_programs_are_followed_through_the_scripts_that_call_them(root: Path) -> None:
    program(root / "opt" / "site-prolog", "/opt/jobmend-hook\nexit 0")
    program(
        root / "opt" / "jobmend-hook",
        'HOOK=/opt/jobmend-program\nexport JOBMEND_HOOK_SOCKET="/run/jobmend/hook.sock"\n"$HOOK"',
    )
    found = fault_of_hook("/opt/site-prolog", root)
    assert found is not None and found.text.startswith("/opt/jobmend-program: No such file")
    program(root / "opt" / "jobmend-program", "exit 0")
    assert fault_of_hook("/opt/site-prolog", root) is None
    assert fault_of_hook("/opt/site-prolog", root, "/run/jobmend/hook.sock") is None
    wrong = fault_of_hook("/opt/site-prolog", root, "/run/other.sock")
    assert wrong is not None
    assert wrong.cure == "write JOBMEND_HOOK_SOCKET=/run/other.sock into /opt/jobmend-hook"


@pytest.mark.skipif(os.getuid() != 0, reason="hooks belong to root")
def test_scripts_that_call_each_other_in_a_circle_end(root: Path) -> None:
    program(root / "opt" / "jobmend-hook", "/opt/jobmend-other")
    program(root / "opt" / "jobmend-other", "/opt/jobmend-hook")
    assert fault_of_hook("/opt/jobmend-hook", root) is None


def test_a_running_process_is_found_by_its_name() -> None:
    own = Path("/proc/self/comm").read_text().strip()
    assert running("no-such-daemon", own)
    assert not running("no-such-daemon")
