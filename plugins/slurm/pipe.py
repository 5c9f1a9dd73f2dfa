"""A command's output while it comes, so that an answer of any length takes little memory."""

from __future__ import annotations

import codecs
import os
import select
import subprocess
import tempfile
from collections.abc import Generator, Mapping, Sequence
from typing import IO

from ...jobs.text import printable
from ..scheduler import SchedulerError

PATIENCE_SECONDS = 300.0  # without a byte; the database thinks long before the first
PIECE_BYTES = 65536


def stream(
    argv: Sequence[str], env: Mapping[str, str], patience: float = PATIENCE_SECONDS
) -> Generator[str, None, None]:
    """Run a command without a shell and yield its standard output piece by piece.

    SchedulerError with the command's own words when it cannot be started, fails or falls silent.
    The command is ended when nobody reads on.
    """
    with tempfile.TemporaryFile() as errors:
        process = _started(argv, env, errors)
        assert process.stdout is not None
        try:
            yield from _read(process.stdout, argv[0], patience)
            code = process.wait(patience)
        except subprocess.TimeoutExpired:
            raise SchedulerError(f"{argv[0]} does not end", transient=True) from None
        finally:
            process.stdout.close()
            if process.poll() is None:
                process.kill()
                process.wait()
        if code:
            raise SchedulerError(f"{argv[0]} exited {code}: {_words(errors) or 'no message'}")


def _started(
    argv: Sequence[str], env: Mapping[str, str], errors: IO[bytes]
) -> subprocess.Popen[bytes]:
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    try:
        return subprocess.Popen(
            list(argv), stdin=null, stdout=pipe, stderr=errors, env=dict(env), cwd="/"
        )
    except OSError as error:
        raise SchedulerError(f"{argv[0]} cannot be started: {error.strerror}") from error


def _read(channel: IO[bytes], name: str, patience: float) -> Generator[str, None, None]:
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while True:
        if not poll.poll(1000 * patience):
            raise SchedulerError(f"{name} said nothing for {patience:g} s", transient=True)
        data = os.read(channel.fileno(), PIECE_BYTES)
        yield decoder.decode(data, final=not data)
        if not data:
            return


def _words(errors: IO[bytes]) -> str:
    errors.seek(0)
    text = errors.read(4096).decode(errors="replace")
    return printable(text.strip().replace("\n", "; "), 400)
