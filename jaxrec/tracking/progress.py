"""The progress of a run on a terminal: loss, examples a second and time left."""

import sys
import time
from collections.abc import Callable
from typing import SupportsFloat

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

_SECONDS_BETWEEN_LINES = 10.0
_SPEED = {
    "examples_per_second": ("{:,.0f} examples/s", 1),
    "matmul_share": ("{:.1%} of the matmul rate", 1),
    "input_share": ("{:.1%} waiting for input", 1),
    "peak_bytes": ("{:,.2f} GB", 1e9),
}


class ProgressWriter:
    """A bar on stderr where that is a terminal, and elsewhere a plain line every ten seconds.

    It shows `loss`, speed, memory and any metric among the values that the loop writes.
    """

    def __init__(
        self,
        total_steps: int,
        start_step: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._stream = sys.stderr
        self._total, self._start, self._step = total_steps, start_step, start_step
        self._clock = clock
        self._began = self._said = clock()
        self._shown: dict[str, float] = {}
        self._bar = None
        if self._stream.isatty():
            self._bar = Progress(
                TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
                BarColumn(bar_width=24),
                TextColumn("{task.description}"),
                TimeElapsedColumn(),
                console=Console(file=self._stream),
            )
            self._task = self._bar.add_task("", total=total_steps, completed=start_step)
            self._bar.start()

    def write(self, step: int, values: dict[str, SupportsFloat]) -> None:
        self._step = step
        self._shown |= {name: float(value) for name, value in values.items()}
        text = self.describe()
        if self._bar is not None:
            self._bar.update(self._task, completed=step, description=text)
            return
        now = self._clock()
        if now - self._said >= _SECONDS_BETWEEN_LINES or step >= self._total:
            self._said = now
            print(f"step {step}/{self._total}  {text}", file=self._stream, flush=True)

    def describe(self) -> str:
        """Say the last values and the time left, as far as they are known."""
        parts = [f"{name} {_short(value)}" for name, value in self._shown.items() if _shows(name)]
        parts += [
            form.format(self._shown[name] / unit)
            for name, (form, unit) in _SPEED.items()
            if self._shown.get(name)
        ]
        done = self._step - self._start
        if done > 0 and self._step < self._total:
            seconds = (self._clock() - self._began) / done * (self._total - self._step)
            parts.append(f"{_duration(seconds)} left")
        return "  ".join(parts)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()


def _shows(name: str) -> bool:
    return name == "loss" or "@" in name


def _short(value: float) -> str:
    return f"{value:.4f}"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
