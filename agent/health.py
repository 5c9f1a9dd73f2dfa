"""What the agent counts about itself."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Health:
    """Counters since the start; each has one writer."""

    started: float = field(default_factory=time.time)  # seconds since the epoch
    samples: int = 0
    sample_seconds: float = 0.0
    late_seconds: float = 0.0  # by which samples began after their beat, summed
    samples_dropped: int = 0
    sample_errors: int = 0
    hook_events: Counter[tuple[str, str]] = field(default_factory=Counter)  # (hook, result)
