"""What a built RPM tells of itself and of its files."""

from __future__ import annotations

import subprocess

CONFIG_NOREPLACE = 0x1 | 0x10  # RPMFILE_CONFIG, RPMFILE_NOREPLACE


def query(package: str, tags: str) -> list[list[str]]:
    """The values of some tags, a row for each element of theirs."""
    command = ["rpm", "--query", "--package", "--queryformat", f"[{tags}\n]", package]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line.split("\t") for line in out.splitlines()]


def laid_out(package: str) -> dict[str, str]:
    """Each file and folder with its mode, and `` c`` for a configuration that stays."""
    tags = "%{FILENAMES}\t%{FILEMODES:perms}\t%{FILEUSERNAME}:%{FILEGROUPNAME}\t%{FILEFLAGS}"
    rows = query(package, tags)
    assert {owner for _, _, owner, _ in rows} == {"root:root"}
    kept = {str(CONFIG_NOREPLACE): " c"}
    return {name: mode + kept.get(flags, "") for name, mode, _, flags in rows}


def digests(package: str) -> dict[str, str]:
    """Each file with the SHA-256 of what is in it."""
    rows = query(package, "%{FILENAMES}\t%{FILEDIGESTS}")
    return {name: digest for name, digest in rows if digest}
