"""What the commands of benches that start agents share: how they end, and where they talk."""

from __future__ import annotations

import sys
from types import FrameType
from typing import NoReturn


def on_signal(number: int, frame: FrameType | None) -> NoReturn:
    """End as after an error, so that cgroups and processes are removed."""
    sys.exit(128 + number)


def say(words: str) -> None:
    """Progress, for a person."""
    print(words, file=sys.stderr, flush=True)
