"""Where a network learns: a GPU if there is one, and batches that fit its memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

SHARE = 0.5  # of the free memory that a batch may take: estimates are rough, others are there
AUTO = "auto"


def choose(name: str) -> torch.device:
    """The device of that name; ``auto`` is the first GPU, else the CPU.

    ValueError where it is not here.
    """
    wanted = name
    if name == AUTO:
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError as error:
        raise ValueError(f"{name!r} is no device; say auto, cpu or cuda") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {name!r}: there is no GPU here; say auto or cpu")
    return device


def free_bytes(device: torch.device) -> int:
    """Memory that can be had on the device; of main memory also what only caches files."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def fitting(wanted: int, bytes_each: int, free: int) -> int:
    """The batch of ``wanted`` windows, halved until it fits into its share of ``free`` bytes.

    ValueError where not even one window fits.
    """
    while wanted * bytes_each > SHARE * free:
        if wanted == 1:
            raise ValueError(
                f"one window takes {bytes_each} bytes to learn from, {free} are free; "
                "use fewer members or a model without the graph layer"
            )
        wanted //= 2
    return wanted


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread inside: small layers gain nothing from more, and sums keep their order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
