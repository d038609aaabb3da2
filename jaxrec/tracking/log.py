"""What the loop tells the world: a line a compiled call, a line a validation, to every writer."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import jax

from jaxrec.errors import InputError
from jaxrec.tracking import jsonl
from jaxrec.tracking.progress import ProgressWriter


@runtime_checkable
class Writer(Protocol):
    """Where the numbers of a step go."""

    def write(self, step: int, values: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


Measure = Callable[[int, float, float], dict[str, float]]


class Log:
    """metrics.jsonl, trackers and the progress bar; a call's numbers are fetched one call late.

    measure: of a call's steps, seconds and seconds waited for input, the numbers to log with it.
    spent: seconds by what they went to; first_step: when (time.monotonic) the first call had ended.
    """

    def __init__(
        self,
        directory: Path,
        step: int,
        total: int,
        examples_per_step: float,
        trackers: Sequence[Callable[[Path], Writer]],
        measure: Measure = lambda steps, seconds, waited: {},
    ) -> None:
        jsonl.truncate(directory / "metrics.jsonl", step)
        self._directory, self._examples_per_step = directory, examples_per_step
        self._measure = measure
        self._writers: list[Writer] = [
            jsonl.JsonlWriter(directory / "metrics.jsonl"),
            ProgressWriter(total, step),
            *(tracker(directory) for tracker in trackers),
        ]
        self._pending: tuple[int, int, dict[str, Any], float] | None = None
        self._since = time.monotonic()
        self.first_step: float | None = None
        self.spent: defaultdict[str, float] = defaultdict(float)

    def calls(self, step: int, n: int, metrics: dict[str, Any], waited: float = 0.0) -> None:
        """Note a call that has just been dispatched, and write the one before.

        waited: how many seconds it had to wait for its input.
        """
        self.flush()
        self._pending = step, n, metrics, waited

    def flush(self) -> None:
        """Write the pending call; raises InputError if it met a number that is not finite."""
        if self._pending is None:
            return
        (step, n, metrics, waited), self._pending = self._pending, None
        values = {name: value.item() for name, value in jax.device_get(metrics).items()}
        bad = values.pop("nonfinite_step")
        name = "calls" if self.first_step else "first call"
        seconds = self.lap(name)
        self.spent[name] -= waited
        self.spent["waiting for input"] += waited
        self.first_step = self.first_step or time.monotonic()
        values["examples_per_second"] = n * self._examples_per_step / max(seconds, 1e-9)
        values |= self._measure(n, seconds, waited)
        self.write(step, values | {"seconds": seconds})
        if bad >= 0:
            raise InputError(
                f"The loss or its gradient was not finite at step {bad}; the checkpoints in "
                f"{self._directory} are from before it. Try a smaller --optimizer.learning-rate or "
                "--optimizer.clip-norm 1."
            )

    def write(self, step: int, values: dict[str, float]) -> None:
        """Write to all places; nothing if there is nothing."""
        if values and "seconds" not in values:
            values = values | {"seconds": self.lap("evaluation")}
        for writer in self._writers if values else ():
            writer.write(step, values)

    def close(self) -> None:
        for writer in self._writers:
            writer.close()

    def lap(self, name: str) -> float:
        """Book the seconds since the last lap under `name`, and return them."""
        now = time.monotonic()
        seconds, self._since = now - self._since, now
        self.spent[name] += seconds
        return seconds
