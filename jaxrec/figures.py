"""Plots as inline SVG: text stays text, and ink takes the page's colour, light or dark."""

import html
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxrec.errors import InputError

PALETTE = ("#3b7dd8", "#d9822b", "#2f9e77", "#b5559b", "#8a6fd1", "#c0504d", "#7a8b2e", "#5b9aa8")
"""Told apart by people who see fewer colours, on white and on near-black."""
MARKERS = "osD^vPX*"
"""One a colour, for those who see none."""
_INK = "#010203"  # no colour of the palette: replaced by the page's own
_STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": _INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "font.size": 9,
    "grid.alpha": 0.14,
    "grid.color": _INK,
    "legend.frameon": False,
    "lines.markersize": 4,
    "svg.fonttype": "none",
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def colour_of(index: int) -> str:
    """The colour of the index-th run, the same in every plot of a page."""
    return PALETTE[index % len(PALETTE)]


def learning_curves(
    panels: Mapping[str, Sequence[tuple[int, np.ndarray, np.ndarray]]], title: str
) -> str:
    """Draw one panel a quantity; a line is (the run's number, epochs, values)."""

    def draw(axes: Any, lines: Sequence[tuple[int, np.ndarray, np.ndarray]]) -> None:
        axes.grid(axis="y")
        axes.set_xlabel("epoch")
        for index, x, y in lines:
            axes.plot(x, y, markevery=max(len(x) // 8, 1), **_line(index))

    return _panels(panels, draw, (4.4, 2.9), title)


def intervals(
    rows: Sequence[tuple[int, str]],
    panels: Mapping[str, Sequence[tuple[float, float, float] | None]],
    title: str,
) -> str:
    """Draw one panel a metric, one row (number, name) a run: value, low, high as a dot on a bar."""

    def draw(axes: Any, cells: Sequence[tuple[float, float, float] | None]) -> None:
        axes.grid(axis="x")
        for place, (cell, (index, _)) in enumerate(zip(cells, rows, strict=True)):
            if cell is not None:
                value, low, high = cell
                axes.plot([low, high], [place, place], color=colour_of(index), linewidth=2)
                axes.plot([value], [place], **_line(index))
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_yticks(range(len(rows)), [name for _, name in rows])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)

    return _panels(panels, draw, (3.3, 0.75 + 0.26 * len(rows)), title, sharey=True)


def lorenz(lines: Sequence[tuple[int | None, np.ndarray]], title: str) -> str:
    """Draw what share the least recommended items get; a line without a number is dashed ink."""

    def draw(axes: Any, lines: Sequence[tuple[int | None, np.ndarray]]) -> None:
        axes.plot([0, 1], [0, 1], color=_INK, alpha=0.35, linewidth=0.8)
        for index, shares in lines:
            x = np.linspace(0, 1, len(shares))
            look = {"color": _INK, "linestyle": "--"} if index is None else _line(index)
            axes.plot(x, shares, markevery=max(len(x) // 8, 1), **look)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="share of the items, least recommended first")
        axes.grid()

    return _panels({"cumulative share of what is recommended": lines}, draw, (4.4, 3.2), title)


def stacked(rows: Sequence[str], columns: Sequence[str], shares: np.ndarray, title: str) -> str:
    """Draw one bar a row, cut into `columns` shares that add up to 1."""

    def draw(axes: Any, shares: np.ndarray) -> None:
        left = np.zeros(len(rows))
        for place, (name, share) in enumerate(zip(columns, shares.T, strict=True)):
            alpha = 1 - 0.75 * place / max(len(columns) - 1, 1)
            axes.barh(range(len(rows)), share, 0.7, left, color=PALETTE[0], alpha=alpha, label=name)
            left = left + share
        axes.set_yticks(range(len(rows)), rows)
        axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.figure.legend(loc="outside lower center", ncols=len(columns))

    height = 1.0 + 0.28 * len(rows)
    return _panels({"share of what is recommended": shares}, draw, (4.8, height), title)


def trials(
    panels: Mapping[str, tuple[Sequence[tuple[float, float, bool]], str | Sequence[str]]],
    title: str,
    best: Sequence[float] = (),
) -> str:
    """Draw a dot (x, value, whether complete) a trial, hollow if pruned; best is a line over all.

    The second entry of a panel is how x is laid out: "linear", "log", or the names of 0, 1, ….
    """

    def draw(axes: Any, panel: Any) -> None:
        dots, layout = panel
        axes.grid(axis="y")
        for complete, fill in ((True, PALETTE[0]), (False, "none")):
            chosen = [(x, value) for x, value, whole in dots if whole == complete]
            x, values = np.array(chosen).reshape(-1, 2).T
            axes.plot(x, values, "o", color=PALETTE[0], markerfacecolor=fill)
        if isinstance(layout, str):
            axes.set_xscale(layout)
        else:
            axes.set_xticks(range(len(layout)), layout)
            axes.set_xlim(-0.5, len(layout) - 0.5)
        if best:
            axes.step(range(len(best)), best, where="post", color=PALETTE[1], linewidth=1.2)

    return _panels(panels, draw, (3.6, 2.7), title, sharey=True)


def _line(index: int) -> dict[str, Any]:
    return {"color": colour_of(index), "marker": MARKERS[index % len(MARKERS)]}


def _panels(
    panels: Mapping[str, Any], draw: Any, size: tuple[float, float], title: str, **options: Any
) -> str:
    """Draw titled panels in a row; size in inches, of one panel."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError(
            "the report draws with matplotlib, which is not installed: pip install 'jaxrec[plot]'."
        ) from None
    out = io.StringIO()
    with rc_context({**_STYLE, "svg.hashsalt": title}):
        width, height = size
        figure = Figure(figsize=(width * len(panels), height), layout="constrained")
        every = figure.subplots(1, len(panels), squeeze=False, **options)[0]
        for axes, (name, content) in zip(every, panels.items(), strict=True):
            axes.set_title(name)
            draw(axes, content)
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return _inline(out.getvalue(), title)


def _inline(svg: str, title: str) -> str:
    """Drop what does not belong in a page, and name the picture for those who do not see it."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<(metadata|style).*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: [^;]*; ", "", svg)
    svg = re.sub(r'<g id="\w[^"]*"', "<g", svg)
    svg = svg.replace(_INK, "currentColor")
    label = html.escape(title, quote=True)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
