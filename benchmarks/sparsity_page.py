"""The page's part on sparsity: a table, what follows from it, and its picture."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from benchmarks.pictures import as_svg
from benchmarks.rows import Bench
from benchmarks.sparsity_points import FULL, KEPT, METHODS, NOISE, PATIENCE, POINTS, Point, valid
from benchmarks.tables import commit, markdown, number
from jaxrec.figures import MARKERS, colour_of

Results = dict[str, dict[str, dict[str, Any]]]
"""By the method's name and the point's."""


def results(bench: Bench) -> Results:
    """Read what was measured."""
    return {name: valid(bench, name) for name in METHODS}


def section(found: Results) -> str:
    """Lay out the part."""
    head = ["NDCG@10", *(_heading(point) for point in POINTS)]
    lines = [head, ["---", *["---:"] * len(POINTS)]]
    for name, own in found.items():
        cells = [_cell(found, name, point) for point in POINTS]
        lines.append([METHODS[name].title, *cells] if own else [f"{METHODS[name].title}, not run"])
        lines[-1] += ["–"] * (len(head) - len(lines[-1]))
    every = [x for own in found.values() for x in own.values()]
    machines, commits = (
        "; ".join(dict.fromkeys(values)) or "–"
        for values in ([x["machine"] for x in every], [commit(x) for x in every])
    )
    said = "".join(f"- {sentence}\n" for sentence in sentences(found))
    said += "\n" if said else ""
    return f"""\
## Sparsity and noise

![NDCG against the share of events that is kept, and against noise](sparsity.svg)

MovieLens-1M (`ml-1m`), every rating an event that counts 1: the last of each user is tested, the
one before validates, and they stay as they are. Of each user's training events a share is kept,
drawn at random, one at least; or events of items that the user meets in no part, drawn uniformly,
are put at random places among them, until they are the share of training that stands under “noise”.
The target is ranked among all items but those of the user's other events, taken away or not, and of
its noise; so the lists are the same where less is kept. One draw and one seed.

Settings are the same at every point, those of the named configs, which were chosen on full data,
some on other files of it; less data might ask for others. Models may take about as many steps at
each point, fewer than in their configs, and stop after {PATIENCE} validations without a better
NDCG@10; the best validation's step is tested. Bold: the best of a column.

{markdown(lines)}
{said}{_settings(found)}
Machine: {machines}. Commits: {commits}.
"""


def sentences(found: Results) -> list[str]:
    """Say what follows from the numbers, of the points and methods that there are."""
    said = [*_best(found), *_below(found)]
    said += _change(found, KEPT[-1], f"With {_percent(KEPT[-1].kept)} of the events")
    said += _change(found, NOISE[-1], f"With {_percent(NOISE[-1].noise)} noise")
    every = [x for own in found.values() for x in own.values()]
    if every:
        half = max(x["interval"][1] - x["interval"][0] for x in every) / 2
        said.append(
            f"A 95 % interval (bootstrap over users) reaches {number(half)} to each side, at most."
        )
    return said


def best_at(found: Results, point: Point) -> str | None:
    """Name the method that is best at a point; None where fewer than two have run."""
    values = {name: _value(own, point) for name, own in found.items() if point.name in own}
    return max(values, key=lambda name: values[name]) if len(values) > 1 else None


def _best(found: Results) -> list[str]:
    """Name the best method along each side."""
    said = []
    for points, side in ((KEPT, "events kept"), (NOISE, "noise")):
        places: dict[str, list[str]] = {}
        for point in points:
            best = best_at(found, point)
            if best is not None:
                share = point.kept if points is KEPT else point.noise
                places.setdefault(METHODS[best].title, []).append(_percent(share))
        if places:
            whom = "; ".join(f"{title} at {_listed(shares)}" for title, shares in places.items())
            said.append(f"Best by {side}: {whom}.")
    return said


def _below(found: Results) -> list[str]:
    """Name the methods that are behind popularity, and where."""
    said = []
    for name, own in found.items():
        behind = [
            _heading(point)
            for point in POINTS
            if point.name in own
            and point.name in found["popularity"]
            and _value(own, point) < _value(found["popularity"], point)
        ]
        if behind:
            said.append(f"{METHODS[name].title} is behind popularity at {_listed(behind)}.")
    return said


def _change(found: Results, point: Point, where: str) -> list[str]:
    """Say who keeps most and least of the NDCG that it has at full data."""
    shares = {
        METHODS[name].title: _value(own, point) / _value(own, FULL)
        for name, own in found.items()
        if {point.name, FULL.name} <= set(own)
    }
    if len(shares) < 2:
        return []
    most, least = (pick(shares, key=lambda title: shares[title]) for pick in (max, min))
    return [
        f"{where}, {most} has {_percent(shares[most])} of its NDCG@10 at full data, "
        f"{least} {_percent(shares[least])}."
    ]


def _settings(found: Results) -> str:
    """List the configs, what is changed of them, and how far training went."""
    lines = [["method", "config", "changed", "epochs at full, at most", "steps to the best"]]
    lines.append(["---", "---", "---", "---:", "---:"])
    for name, method in METHODS.items():
        changed = f"`{' '.join(method.overrides)}`" if method.overrides else "–"
        cells = [method.title, f"`{method.config}`", changed]
        steps = [x["steps"] for x in found[name].values()]
        if method.epochs is None:
            cells += ["fitted", "–"]
        else:
            cells += [str(method.epochs), f"{min(steps):,} – {max(steps):,}" if steps else "–"]
        lines.append(cells)
    return markdown(lines)


def _cell(found: Results, name: str, point: Point) -> str:
    if point.name not in found[name]:
        return "–"
    text = number(_value(found[name], point))
    return f"**{text}**" if best_at(found, point) == name else text


def _value(own: dict[str, dict[str, Any]], point: Point) -> float:
    return own[point.name]["test"]["ndcg@10"]


def _heading(point: Point) -> str:
    if point == FULL:
        return "full"
    return f"{_percent(point.noise)} noise" if point.noise else f"{_percent(point.kept)} kept"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


# Picture ------------------------------------------------------------------------------------------


def picture(found: Results) -> str:
    """Draw it as SVG."""
    return as_svg("sparsity", lambda: draw(found))


def draw(found: Results) -> Figure:
    """Draw a panel for what is kept and one for noise, a line a method."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    panels = (
        (axes[0], KEPT, [point.kept for point in KEPT], "share of training events kept"),
        (axes[1], NOISE, [point.noise for point in NOISE], "share of noise in training events"),
    )
    for panel, points, shares, along in panels:
        for index, (name, own) in enumerate(found.items()):
            there = [(x, _value(own, p)) for x, p in zip(shares, points) if p.name in own]
            if there:
                look = {"color": colour_of(index), "marker": MARKERS[index], "markersize": 4.5}
                panel.plot(*zip(*there), **look, label=METHODS[name].title)
        panel.grid()
        panel.set(xlabel=along)
    if any(found.values()):  # an empty axis has no logarithms
        axes[0].set(xscale="log", yscale="log")
    axes[0].set_xlim(1.1, 0.045)
    for panel, _, shares, _ in panels:
        panel.set_xticks(shares, [_percent(share) for share in shares])
        panel.minorticks_off()
    axes[0].set_ylabel("NDCG@10, logarithmic")
    ticks = [
        x for x in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if _inside(x, axes[0].get_ylim())
    ]
    axes[0].set_yticks(ticks, [f"{x:g}".removeprefix("0") for x in ticks])
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside right upper")
    return figure


def _inside(value: float, limits: tuple[float, float]) -> bool:
    return limits[0] <= value <= limits[1]
