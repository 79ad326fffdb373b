"""Fair timing: contestants take turns, round after round, and medians are compared."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

BATCH_SECONDS = 0.01
MIN_ROUNDS, MAX_ROUNDS = 9, 301


class Contestant:
    """A call, repeated often enough for the clock, with the seconds per call of each round."""

    def __init__(self, call: Callable[[], Any], calibrate: bool):
        self.call = call
        self.repeats = 1
        self.seconds: list[float] = []
        if calibrate:
            single = min(self._time(1) for _ in range(3))
            self.repeats = max(1, round(BATCH_SECONDS / single))
            self.batch_seconds = single * self.repeats

    def _time(self, repeats: int) -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            self.call()
        return time.perf_counter() - start

    def warm_up(self) -> None:
        """One untimed call, so that a neighbour's caches and spinning threads cost nothing."""
        self.call()

    def run(self) -> None:
        """Times one batch."""
        self.seconds.append(self._time(self.repeats) / self.repeats)


def race(benchmark: Any, calls: Mapping[str, Callable[[], Any]], seconds: float = 3.0
         ) -> dict[str, float]:
    """Times calls against each other: in turn, in batches, all in the same rounds.

    pytest-benchmark times the first one's batches; the others run in its setup of each round.

    Args:
        benchmark: the `benchmark` fixture of pytest-benchmark.
        calls: name to call without arguments.
        seconds: about how long the race may take.

    Returns:
        The median seconds per call of each.
    """
    contestants = {name: Contestant(call, not benchmark.disabled) for name, call in calls.items()}
    first, *others = contestants.values()

    def prepare() -> None:
        for other in others:
            other.warm_up()
            other.run()
        first.warm_up()

    rounds = 1
    if not benchmark.disabled:
        together = sum(contestant.batch_seconds for contestant in contestants.values())
        rounds = min(max(round(seconds / together), MIN_ROUNDS), MAX_ROUNDS)
    gc.collect()
    gc.freeze()  # collections during the race do not walk the modules of every peer
    try:
        benchmark.pedantic(first.run, setup=prepare, rounds=rounds, warmup_rounds=1)
    finally:
        gc.unfreeze()
    medians = {name: statistics.median(c.seconds) for name, c in contestants.items()}
    benchmark.extra_info["median_seconds_per_call"] = medians
    return medians


def leaves(result: Any) -> list[np.ndarray]:
    """The arrays of a nested result, as NumPy's."""
    if isinstance(result, list | tuple):
        return [leaf for part in result for leaf in leaves(part)]
    return [np.asarray(result)]


def assert_same_numbers(calls: Mapping[str, Callable[[], Any]], rtol: float) -> None:
    """Fails unless every call gives the first one's numbers, to `rtol` of the largest of each."""
    reference, *others = [leaves(call()) for call in calls.values()]
    for name, result in zip(list(calls)[1:], others, strict=True):
        for got, want in zip(result, reference, strict=True):
            scale = float(np.max(np.abs(want)))
            np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * scale, err_msg=name)
