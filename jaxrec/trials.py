"""The trials of a search laid out: as text, as CSV, and on one page with pictures."""

import csv
import io
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxrec import figures, markup
from jaxrec.markup import text
from jaxrec.space import Range
from jaxrec.workdir import write_text

PANELS = 3
"""Pictures side by side."""


@dataclass(frozen=True)
class Trial:
    """One setting, tried.

    value: of the metric on validation; of a pruned trial the last one seen, None of a failed one.
    state: complete, pruned or failed; note says why it failed.
    """

    number: int
    values: dict[str, Any]
    value: float | None
    state: str
    seconds: float
    note: str = ""


@dataclass(frozen=True)
class Search:
    """What was asked, and the trials in the order of their end; the first is the config's own."""

    name: str
    metric: str
    lower_is_better: bool
    space: Mapping[str, Range]
    seed: int
    trials: Sequence[Trial]

    def ranked(self) -> list[Trial]:
        """Order the trials: complete ones, the best first, then the pruned, then the failed."""
        sign = 1 if self.lower_is_better else -1
        order = ("complete", "pruned", "failed")
        return sorted(
            self.trials,
            key=lambda trial: (order.index(trial.state), sign * (trial.value or 0.0)),
        )

    def counts(self) -> str:
        """Say how many trials ended how."""
        states = [trial.state for trial in self.trials]
        kinds = [f"{states.count(kind)} {kind}" for kind in dict.fromkeys(states)]
        return f"{len(states)} trials ({', '.join(kinds)})"


def table(search: Search) -> str:
    """Lay out the trials as text, the best first."""
    header, *rows = _cells(search)
    widths = [max(len(row[place]) for row in (header, *rows)) for place in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    )


def write_csv(search: Search, path: Path) -> None:
    """Write the trials in order, with every digit."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["trial", search.metric, *search.space, "state", "seconds", "note"])
    for trial in search.trials:
        values = [str(trial.values[name]) for name in search.space]
        seconds = f"{trial.seconds:.3f}"
        writer.writerow([trial.number, trial.value, *values, trial.state, seconds, trial.note])
    write_text(path, out.getvalue())


def write_page(search: Search, path: Path) -> None:
    """Write one self-contained page: what was searched, pictures of it, and the table."""
    best = search.ranked()[0]
    direction = "lower" if search.lower_is_better else "higher"
    facts = {
        "judged by": f"validation {search.metric}, {direction} is better",
        "tried": search.counts(),
        "best": f"{best.value:.4f}, trial {best.number}",
        "seed": search.seed,
    }
    shown = "".join(f"<div><dt>{text(k)}</dt><dd>{text(v)}</dd></div>" for k, v in facts.items())
    header, *rows = _cells(search)
    caption = "The best first; trial 0 is the config as it stood. The test part was not looked at."
    ranges = [[text(name), text(span)] for name, span in search.space.items()]
    body = (
        f'<h1>Tuning {text(search.name)}</h1><dl class="basis">{shown}</dl>{_pictures(search)}'
        + markup.table(caption, header, [[text(cell) for cell in row] for row in rows])
        + markup.table("What was searched.", ["field", "space"], ranges, words=(1,))
    )
    write_text(path, markup.page(f"jaxrec: tuning {search.name}", body))


def show(value: Any) -> str:
    """Write a setting short."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _cells(search: Search) -> list[list[str]]:
    noted = any(trial.note for trial in search.trials)
    header = ["trial", search.metric, *search.space, "state", "seconds", *["note"] * noted]
    rows = [
        [
            str(trial.number),
            "–" if trial.value is None else f"{trial.value:.4f}",
            *(show(trial.values[name]) for name in search.space),
            trial.state,
            f"{trial.seconds:.1f}",
            *[trial.note] * noted,
        ]
        for trial in search.ranked()
    ]
    return [header, *rows]


def _pictures(search: Search) -> str:
    dots = {
        trial.number: (trial.value, trial.state == "complete")
        for trial in search.trials
        if trial.value is not None
    }
    over_time = [(number, *dot) for number, dot in dots.items()]
    pictures = [
        figures.trials(
            {f"{search.metric} by trial": (over_time, "linear")},
            "Trials in order",
            _best_so_far(search),
        )
    ]
    panels = {}
    for name, span in search.space.items():
        places = [(trial.number, span.place(trial.values[name])) for trial in search.trials]
        known = [(x, *dots[n]) for n, x in places if n in dots and x is not None]
        panels[name] = known, span.layout
    for start in range(0, len(panels), PANELS):
        some = dict([*panels.items()][start : start + PANELS])
        pictures.append(figures.trials(some, f"Trials by {', '.join(some)}"))
    return (
        "<figure>" + "".join(pictures) + f"<figcaption>Validation {text(search.metric)} of each "
        "trial, in order with the best so far, and by each field. Hollow: pruned, at its last "
        "value. A value outside of its space, as the config’s own may be, is left out."
        "</figcaption></figure>"
    )


def _best_so_far(search: Search) -> list[float]:
    better = min if search.lower_is_better else max
    worst = math.inf if search.lower_is_better else -math.inf
    values = [
        worst if trial.value is None or trial.state != "complete" else trial.value
        for trial in search.trials
    ]
    return [*itertools.accumulate(values, better)]
