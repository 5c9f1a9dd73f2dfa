"""Processes that compute for random times and then sum a vector around a ring, as MPI jobs do."""

from __future__ import annotations

import argparse
import os
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy is loaded: one rank, one thread

import numpy as np  # noqa: E402

LENGTH = 4096  # float64 values; a chunk of them must fit into a pipe's 64 KiB, as all send first
MAX_COMPUTE_SECONDS = 0.05


def compute(generator: np.random.Generator) -> None:
    """Multiply matrices for a random time."""
    end = time.monotonic() + generator.uniform(0, MAX_COMPUTE_SECONDS)
    matrix = generator.normal(size=(64, 64))
    while time.monotonic() < end:
        matrix = np.tanh(matrix @ matrix.T)


def contribution(seed: int, turn: int, rank: int) -> np.ndarray:
    """What a rank adds in a turn: whole numbers, so that their sum is exact."""
    return np.random.default_rng((seed, turn, rank)).integers(0, 1000, LENGTH).astype(float)


def all_reduce(
    vector: np.ndarray, rank: int, ranks: int, left: Connection, right: Connection
) -> np.ndarray:
    """The sum of all ranks' vectors: chunks go around once to be added, once to be copied."""
    chunks = np.array_split(vector, ranks)
    for step in range(2 * (ranks - 1)):
        right.send_bytes(chunks[(rank - step) % ranks].tobytes())
        got = np.frombuffer(left.recv_bytes())
        place = (rank - step - 1) % ranks
        chunks[place] = chunks[place] + got if step < ranks - 1 else got
    return np.concatenate(chunks)


def work(
    rank: int, ranks: int, seconds: float, seed: int, left: Connection, right: Connection
) -> None:
    """One rank: compute, reduce, check the sum; all stop together once one has had its time.

    The last element of the sum counts the ranks that would go on.
    """
    end = time.monotonic() + seconds
    generator = np.random.default_rng((seed, rank))
    turn, going = 0, ranks
    while going == ranks:
        compute(generator)
        vector = np.append(contribution(seed, turn, rank), time.monotonic() < end)
        total = all_reduce(vector, rank, ranks, left, right)
        expected = sum(contribution(seed, turn, other) for other in range(ranks))
        if not np.array_equal(total[:-1], expected):
            raise SystemExit(f"allreduce: wrong sum in turn {turn}")
        turn, going = turn + 1, int(total[-1])
    if rank == 0:
        print(f"allreduce: {turn} sums over {ranks} ranks, all right", flush=True)


def main() -> int:
    """Run the ranks; 1 when one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    context = get_context("fork")
    pipes = [context.Pipe(duplex=False) for _ in range(options.ranks)]  # pipe n leads to rank n
    ranks = [
        context.Process(
            target=work,
            args=(rank, options.ranks, options.seconds, options.seed)
            + (pipes[rank][0], pipes[(rank + 1) % options.ranks][1]),
        )
        for rank in range(options.ranks)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    return int(any(process.exitcode for process in ranks))


if __name__ == "__main__":
    raise SystemExit(main())
