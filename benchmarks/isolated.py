"""A race in which every contestant has a process of its own; the processes take turns.

What a large array costs depends on what the process has freed before: glibc raises its thresholds
for keeping memory with the largest array that was given back, and until then every result of some
megabytes costs its page faults again. In one process the libraries would decide that for each
other, and the idle threads of one would spin on the cores of the next.

As a program, `python -m benchmarks.isolated LIBRARY WORK KIND` is one contestant: it answers every
line that it reads with the seconds per call of a batch.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Hashable, Mapping
from typing import TypeVar

from benchmarks.libraries import libraries
from benchmarks.race import Contestant
from benchmarks.workloads import WORKS

#: The name of a library, a key of WORKS, and the method of the library to time.
Entry = tuple[str, str, str]
Label = TypeVar("Label", bound=Hashable)


def race(
    entries: Mapping[Label, Entry], processes: int = 5, rounds: int = 7, threads: int | None = None
) -> dict[Label, float]:
    """The median over processes of the median seconds per call, for each entry.

    Args:
        entries: the contestants by label.
        processes: how many processes each gets, one after the other.
        rounds: how many batches each process times.
        threads: how many threads BLAS and OpenMP may use; None is what they choose.
    """
    runs = [_race(entries, rounds, threads) for _ in range(processes)]
    return {label: statistics.median(run[label] for run in runs) for label in entries}


def _race(
    entries: Mapping[Label, Entry], rounds: int, threads: int | None
) -> dict[Label, float]:
    workers = {label: _start(entry, threads) for label, entry in entries.items()}
    samples: dict[Label, list[float]] = {label: [] for label in entries}
    try:
        for _ in range(rounds):
            for label, worker in workers.items():
                samples[label].append(_ask(worker))
    finally:
        for worker in workers.values():
            worker.communicate()
    return {label: statistics.median(seconds) for label, seconds in samples.items()}


def _start(entry: Entry, threads: int | None) -> subprocess.Popen[str]:
    environment = dict(os.environ)
    if threads is not None:
        limits = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), str(threads))
        environment |= limits
    worker = subprocess.Popen([sys.executable, "-m", "benchmarks.isolated", *entry], text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    _ask(worker)  # has imported, warmed up and calibrated itself
    return worker


def _ask(worker: subprocess.Popen[str]) -> float:
    worker.stdin.write("\n")
    worker.stdin.flush()
    return float(worker.stdout.readline())


def main(name: str, work: str, kind: str) -> None:
    (library,) = libraries(name)
    function, arguments = WORKS[work]
    contestant = Contestant(getattr(library, kind)(function, *arguments()), calibrate=True)
    for _ in sys.stdin:
        contestant.warm_up()
        contestant.run()
        print(contestant.seconds[-1], flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
