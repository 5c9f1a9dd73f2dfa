"""Neighbour: writers whose blocks go to the disk at once, each around and around in its file."""

from __future__ import annotations

import argparse
import mmap
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BLOCK = 1 << 20  # bytes a write


def open_target(path: Path) -> tuple[int, bool]:
    """A new file past the page cache; where the file system cannot do that, an ordinary one."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags | os.O_DIRECT, 0o600), True
    except OSError:  # such as tmpfs before Linux 6.6
        path.unlink(missing_ok=True)
        return os.open(path, flags, 0o600), False


def hog(path: Path, size: int, seconds: float) -> tuple[int, bool]:
    """Write for ``seconds``: blocks written and whether they went past the page cache."""
    block = mmap.mmap(-1, BLOCK)  # page-aligned, as O_DIRECT wants it
    block.write(b"x" * BLOCK)
    target, direct = open_target(path)
    end, blocks = time.monotonic() + seconds, 0
    try:
        while time.monotonic() < end:
            os.pwrite(target, block, blocks * BLOCK % size)
            os.fsync(target)
            blocks += 1
    finally:
        os.close(target)
    return blocks, direct


def main() -> int:
    """Write for ``--seconds`` into files of ``--size-mb`` in ``--directory``, then remove them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--size-mb", type=int, default=64)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    size = max(options.size_mb << 20, BLOCK)
    with (
        tempfile.TemporaryDirectory(prefix="io_hog-", dir=options.directory) as directory,
        ThreadPoolExecutor(options.writers) as pool,  # the writes leave the interpreter
    ):
        paths = [Path(directory, f"block{n}") for n in range(options.writers)]
        done = list(pool.map(lambda path: hog(path, size, options.seconds), paths))
    how = "direct" if all(direct for _, direct in done) else "synced"
    print(f"io_hog: {sum(blocks for blocks, _ in done)} MiB written, {how}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
