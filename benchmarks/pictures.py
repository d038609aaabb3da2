"""The pictures of a suite: how far rows are from what is published, and how they got there."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from benchmarks.rows import Group, Row
from jaxrec.figures import MARKERS, PALETTE, colour_of

WIDEST = 10.0
"""Per cent; what differs by more is drawn at the edge."""
STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.linewidth": 0.6,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "font.size": 9,
    "grid.alpha": 0.2,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "benchmarks",
}


def differences(
    suite: str, groups: Sequence[Group], results: Mapping[str, dict[str, Any] | None]
) -> str:
    """Draw a panel a group, as SVG; rows without a published number have no place in it."""
    return as_svg(suite, lambda: draw(groups, results))


def curves(
    suite: str, groups: Sequence[Group], results: Mapping[str, dict[str, Any] | None]
) -> str | None:
    """Draw how the rows of each group rose while they trained, as SVG; None if no row tells."""
    told = {name: x for name, x in results.items() if x is not None and x.get("curve")}
    panels = [
        (g.title, rows) for g in groups if (rows := [r.name for r in g.rows if r.name in told])
    ]
    return as_svg(f"{suite}, curves", lambda: _draw_curves(panels, told)) if panels else None


def _draw_curves(
    panels: Sequence[tuple[str, list[str]]], told: Mapping[str, dict[str, Any]]
) -> Figure:
    figure = Figure(figsize=(9, 2.6 * len(panels)), layout="constrained")
    for axes, (title, names) in zip(figure.subplots(len(panels), 1, squeeze=False)[:, 0], panels):
        axes.set_title(title)
        axes.grid(axis="y")
        for index, name in enumerate(names):
            _, seconds, values = zip(*told[name]["curve"])
            axes.plot(
                [x / 60 for x in seconds],
                values,
                color=colour_of(index),
                marker=MARKERS[index % len(MARKERS)],
                markevery=max(len(values) // 8, 1),
                markersize=4,
                label=name,
            )
        axes.set_xlabel("minutes of training and validation, the first seed")
        protocol = told[names[0]]["protocol"]
        axes.set_ylabel(f"{protocol['select_on']} {protocol['monitor']}")
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), borderpad=0)
    return figure


def as_svg(title: str, make: Callable[[], Figure]) -> str:
    """Have a figure drawn in the style of the page, as text that is the same each time."""
    out = io.StringIO()
    with rc_context(STYLE):
        make().savefig(out, format="svg", metadata={"Date": None, "Title": title})
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def draw(groups: Sequence[Group], results: Mapping[str, dict[str, Any] | None]) -> Figure:
    """Draw the figure, in the style that is set."""
    shown = [[row for row in group.rows if row.published] for group in groups]
    panels = [(group, rows) for group, rows in zip(groups, shown) if rows]
    heights = [len(rows) + 2.0 for _, rows in panels] or [1.0]
    figure = Figure(figsize=(9, 0.24 * sum(heights) + 0.6), layout="constrained")
    every = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (group, rows) in zip(every, panels):
        _panel(axes, group, rows, results)
    every[-1].set_xlabel(
        "ours less published, in % of published; bars: the tolerance; hollow: not gated"
    )
    return figure


def _panel(
    axes: Any, group: Group, rows: list[Row], results: Mapping[str, dict[str, Any] | None]
) -> None:
    axes.set_title(group.title)
    axes.grid(axis="x")
    axes.axvline(0, color="black", linewidth=0.8)
    bars = {key: _bar(row, key[1]) for key, row in _marks(rows) if key[1] in row.gated}
    dots = {
        key: 100 * (result["metrics"]["mean"][key[1]] / row.published[key[1]] - 1)
        for key, row in _marks(rows)
        if (result := results[row.name]) is not None
    }
    ends = [abs(x) for bar in bars.values() for x in bar if abs(x) < float("inf")]
    limit = min(max([*ends, *map(abs, dots.values()), 0.1]) * 1.15, WIDEST)
    for (place, metric), row in _marks(rows):
        index = group.metrics.index(metric)
        colour, y = PALETTE[index], place + 0.24 * (index - (len(group.metrics) - 1) / 2)
        if (place, metric) in bars:
            low, high = (min(max(x, -limit), limit) for x in bars[place, metric])
            axes.plot([low, high], [y, y], color=colour, alpha=0.3, linewidth=4, zorder=1)
        if (place, metric) in dots:
            x = dots[place, metric]
            marker = "o" if abs(x) <= limit else "<>"[x > 0]
            fill = colour if metric in row.gated else "white"
            x = min(max(x, -limit), limit)
            axes.plot([x], [y], marker, color=colour, markerfacecolor=fill, markersize=4.5)
    for metric in group.metrics:
        axes.plot([], [], "o", color=PALETTE[group.metrics.index(metric)], label=metric)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), borderpad=0, handletextpad=0.1)
    names = [row.name + (" (not run)" if results[row.name] is None else "") for row in rows]
    axes.set_yticks(range(len(rows)), names)
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(-limit * 1.03, limit * 1.03), ylim=(len(rows) - 0.4, -0.6))


def _marks(rows: list[Row]) -> list[tuple[tuple[int, str], Row]]:
    """List what is drawn: the row's place and a metric that is published for it."""
    return [
        ((place, metric), row)
        for place, row in enumerate(rows)
        for metric in row.metrics
        if metric in row.published
    ]


def _bar(row: Row, metric: str) -> tuple[float, float]:
    """The tolerance in per cent of what is published."""
    low, high = (100 * (x / row.gated[metric] - 1) for x in row.bounds(metric))
    return low, high
