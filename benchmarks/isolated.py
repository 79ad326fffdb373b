"""A race in which every library has a process, and so a heap, of its own.

What a large array costs depends on what the process has freed before: glibc raises its thresholds
for keeping memory with the largest array that was given back, and until then every result of some
megabytes costs its page faults again. In one process the libraries would decide that for each
other. The processes take turns: one computes while the others wait for their input.

As a program, `python -m benchmarks.isolated LIBRARY` is one of them: it answers every line that it
reads with the seconds per call of a batch.
"""

import statistics
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.libraries import libraries
from benchmarks.race import Contestant
from benchmarks.workloads import elementwise, elementwise_input


def race(names: Sequence[str], processes: int = 5, rounds: int = 7) -> dict[str, float]:
    """The median over processes of the median seconds of the gradient of the elementwise sum."""
    runs = [_race(names, rounds) for _ in range(processes)]
    return {name: statistics.median(run[name] for run in runs) for name in names}


def _race(names: Sequence[str], rounds: int) -> dict[str, float]:
    workers = {name: _start(name) for name in names}
    try:
        samples: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(rounds):
            for name, worker in workers.items():
                samples[name].append(_ask(worker))
    finally:
        for worker in workers.values():
            worker.communicate()
    return {name: statistics.median(seconds) for name, seconds in samples.items()}


def _start(name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.isolated", name]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    _ask(worker)  # has imported, warmed up and calibrated itself
    return worker


def _ask(worker: subprocess.Popen[str]) -> float:
    worker.stdin.write("\n")
    worker.stdin.flush()
    return float(worker.stdout.readline())


def main(name: str) -> None:
    (library,) = libraries(name)
    contestant = Contestant(library.gradient(elementwise, elementwise_input()), calibrate=True)
    for _ in sys.stdin:
        contestant.warm_up()
        contestant.run()
        print(contestant.seconds[-1], flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
