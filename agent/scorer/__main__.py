"""The scorer's program: the agent starts it with a socket as its standard input, and asks.

It ends when the socket closes. Its log goes to the agent's. Two questions are answered:

``{"do": "load", "path": …, "key_file": …, "steps": …, "step_seconds": …}``
    take the model in that file in place of the one before; told are version, steps and features,
    or what is wrong, and then the one before stays. It has to read windows of that length
``{"do": "score", "shape": […], "step_seconds": …, "features": […], "owners": […], "kinds": {…}}``
    and float32: score and p-value by run key, and the version of the model
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from typing import Any

from ...jobs.sealing import SealError
from .. import frames, memory

NO_NUMPY = 3  # exit status
# Set before NumPy is loaded: its threads would take the CPUs of jobs, and gain nothing here.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")

log = logging.getLogger("jobmend-scorer")


def main() -> int:
    """Answer until the agent closes the socket; 0 then, 3 where NumPy is missing."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    from . import priority

    refused = priority.give_way()
    memory.keep_for_the_next_window()
    try:
        from .answers import Answers
    except ImportError as error:
        log.error(
            "NumPy is missing (%s): install python3-numpy, or set [scorer] enabled = false", error
        )
        return NO_NUMPY
    serve(socket.socket(fileno=os.dup(0)), Answers(), refused)
    return 0


def serve(connection: socket.socket, answers: Any, refused: list[str]) -> None:
    """Answer what comes over ``connection`` until it closes; ``refused`` is told at first."""
    try:
        frames.send(connection, {"ready": True, "refused": refused})
        while True:
            asked = frames.receive(connection)
            frames.send(connection, _answer(answers, asked))
    except frames.FrameError as error:
        log.debug("the agent is gone: %s", error)


def _answer(answers: Any, asked: frames.Frame) -> dict[str, Any]:
    try:
        told: dict[str, Any] = answers.to(asked.header, asked.payload)
        return told
    except (SealError, ValueError) as error:
        return {"error": str(error)}
    except Exception as error:  # the boundary of one question: the next may be answered
        log.exception("a question was not answered")
        return {"error": f"{type(error).__name__} in the scorer; its log says more"}


if __name__ == "__main__":
    sys.exit(main())
