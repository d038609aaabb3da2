"""Where the time of a work goes, by a trace of one more run of it."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import jax

from benchmarks.ours.side import Side
from jaxrec.profile import busy_times, by_itself, operations

SHOWN = 6


def profile(side: Side) -> list[dict[str, Any]]:
    """Give the largest shares of the operations' time.

    A compiled program says from which part of the model an operation is, and of what kind; else
    the operations have XLA's names.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = jax.profiler.ProfileOptions()
        options.python_tracer_level = 0
        with jax.profiler.trace(folder, profiler_options=options):
            side.once()
        traces = list(Path(folder).rglob("*.xplane.pb"))
        if not traces:
            return []
        spent: Counter[str] = Counter()
        if side.program is not None:
            program = side.program()
            known = operations(program)
            for name, seconds in busy_times(traces[0], program)[0].items():
                if name in known:
                    spent[f"{known[name].place}: {known[name].kind}"] += seconds
        else:
            spent = by_operation(traces[0])
    total = max(sum(spent.values()), 1e-9)
    return [{"part": name, "share": x / total} for name, x in spent.most_common(SHOWN)]


def by_operation(trace: Path) -> Counter[str]:
    """Sum the seconds of XLA's operations by their names, less those inside others."""
    spent: Counter[str] = Counter()
    for plane in jax.profiler.ProfileData.from_file(str(trace)).planes:
        for line in plane.lines:
            events = [
                (event.start_ns / 1e9, (event.start_ns + event.duration_ns) / 1e9, event.name)
                for event in line.events
                if "hlo_op" in dict(event.stats)
            ]
            for name, seconds in by_itself(events):
                spent[name.rstrip("0123456789").rstrip(".")] += seconds
    return spent
