"""Pictures of speed: the ratios to the peers beside their goals, and the curves of growth."""

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from benchmarks.pictures import as_svg
from benchmarks.rows import Bench
from benchmarks.scale import CURVES, exponent
from benchmarks.speed_page import results
from benchmarks.works import WORKS
from jaxrec.figures import PALETTE


def drawn(bench: Bench) -> dict[str, str]:
    """Draw both pictures, by their names."""
    rows, points = results(bench, "throughput"), results(bench, "scale")
    goals = bench.targets()["throughput"]["goals"]
    return {
        "throughput": as_svg("throughput", lambda: ratios(rows, goals)),
        "scale": as_svg("scale", lambda: growth(points)),
    }


def ratios(rows: list[dict[str, Any]], goals: dict[str, float]) -> Figure:
    """Draw the peer's seconds over ours, and each goal as a line."""
    found = {row["work"]: row for row in rows}
    shown = [(work, found[work.name]) for work in WORKS if work.name in found]
    figure = Figure(figsize=(9, 0.24 * len(shown) + 1.2), layout="constrained")
    axes = figure.subplots()
    axes.set_title("Seconds of the peer over ours; a line: the goal")
    axes.set_xscale("log")
    axes.grid(axis="x")
    axes.axvline(1, color="black", linewidth=0.8)
    for place, (work, row) in enumerate(shown):
        goal = goals[work.kind]
        colour = PALETTE[0] if row["ratio"] >= goal else PALETTE[1]
        axes.plot([1, row["ratio"]], [place, place], color=colour, linewidth=4, alpha=0.5)
        axes.plot([row["ratio"]], [place], "o", color=colour, markersize=4.5)
        axes.plot([goal, goal], [place - 0.35, place + 0.35], color="black", linewidth=1.2)
    names = [f"{work.name} ({row['peer']})" for work, row in shown]
    axes.set_yticks(range(len(shown)), names)
    axes.tick_params(axis="y", length=0)
    ticks = [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]
    axes.set_xticks(ticks, [f"{x:g}" for x in ticks])
    axes.minorticks_off()
    axes.set(xlabel="times as fast as the peer", ylim=(len(shown) - 0.4, -0.6))
    return figure


def growth(points: list[dict[str, Any]]) -> Figure:
    """Draw time and memory of each curve over its sizes, with the exponents."""
    figure = Figure(figsize=(9, 2.3 * len(CURVES)), layout="constrained")
    for line, (name, curve) in zip(figure.subplots(len(CURVES), 2), CURVES.items()):
        own = [x for x in points if x["curve"] == name]
        for axes, key, unit in zip(line, ("seconds", "peak_gib"), (curve.unit, "peak, GiB")):
            sizes, values = [x["size"] for x in own], [x[key] for x in own]
            slope = f", exponent {exponent(sizes, values):.2f}" if len(own) > 1 else " (not run)"
            axes.set_title(f"{name}{slope}")
            axes.set(xlabel=curve.along, ylabel=unit)
            if own:  # an empty axis has no logarithms
                axes.plot(sizes, values, "o-", color=PALETTE[0], markersize=4.5)
                axes.set(xscale="log", yscale="log")
                axes.set_xticks(sizes, [_short(size) for size in sizes])
                axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                axes.yaxis.set_major_formatter("{x:g}")
                axes.minorticks_off()
                axes.grid()
    return figure


def _short(size: int) -> str:
    """Write a size with its thousands or millions: 300 K, 10 M."""
    for unit, name in ((1_000_000, " M"), (1_000, " K")):
        if size >= unit:
            return f"{size // unit}{name}"
    return str(size)
