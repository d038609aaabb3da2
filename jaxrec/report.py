"""One self-contained page on several runs: how well, how surely, and what is recommended."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from jaxrec import figures, markup
from jaxrec.compare import (
    Pair,
    Record,
    accuracy_metrics,
    best,
    comparable,
    differences,
    pairs,
    read_records,
    table,
)
from jaxrec.errors import InputError
from jaxrec.exposure import TIERS, Exposure, measure
from jaxrec.markup import text
from jaxrec.run import Say
from jaxrec.workdir import write_text

PLACES = 10
"""How long the lists are that are looked at."""
GLYPHS = "●■◆▲▼✚✖★"
BEYOND = {
    "coverage": "share of the items that anybody is shown",
    "gini": "0 if all items are shown alike often, near 1 if always the same few",
    "novelty": "mean surprise of an item shown, in bits",
    "popularity": "mean training events of an item shown",
    "diversity": "1 − mean cosine of two items of a list",
}


def write_report(workdirs: Sequence[Path], out: Path, say: Say = print) -> list[Record]:
    """Write the page for the runs in `workdirs`, say its table, and return the runs as read."""
    records = read_records(workdirs)
    groups = comparable(records)
    if len(groups) > 1:
        say("These runs do not all compare; they differ in " + "; ".join(differences(groups)))
    for group in groups:
        say(table(group))
    body = _body(records, groups, say)
    title = ", ".join(dict.fromkeys(record.basis["data"] for record in records))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_text(out, markup.page(f"jaxrec: {title}", body))
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}.") from None
    return records


def _body(records: Sequence[Record], groups: Sequence[Sequence[Record]], say: Say) -> str:
    number = {record.name: index for index, record in enumerate(records)}
    count = f"{len(records)} runs" if len(records) > 1 else "one run"
    data = ", ".join(dict.fromkeys(record.basis["data"] for record in records))
    parts = [
        f"<h1>{text(data)}: {count}</h1>",
        '<p class="soft">A report of jaxrec, on the test part unless it says otherwise.</p>',
    ]
    if len(groups) > 1:
        parts.append(_notice(groups))
    for place, group in enumerate(groups, 1):
        if len(groups) > 1:
            parts.append(f"<h2>Group {place}: {text(', '.join(r.name for r in group))}</h2>")
        parts += [
            _basis(group),
            _metrics(group, number),
            _differences(group),
            _curves(group, number),
            _performance(group, number),
            _exposures(group, number, say),
        ]
    parts.append(_provenance(records))
    return "\n".join(parts)


def _notice(groups: Sequence[Sequence[Record]]) -> str:
    lines = "".join(f"<li>{text(line)}</li>" for line in differences(groups))
    return (
        '<div class="notice" role="note"><p><strong>These runs do not all compare.</strong> They '
        f"fall into {len(groups)} groups, told apart by the following; numbers of different groups "
        "do not belong side by side, and none are tested against each other.</p>"
        f"<ul>{lines}</ul></div>"
    )


def _basis(group: Sequence[Record]) -> str:
    """Say how all runs of a group were asked and judged."""
    first = group[0]
    data = first.metrics["data"]
    events = data["events"]
    entries = {
        "users": f"{data['users']:,}",
        "items": f"{data['items']:,}",
        "events": " + ".join(f"{events[part]:,}" for part in ("train", "validation", "test")),
        "split": _split(first),
        **{name: first.basis[name] for name in ("candidates", "seen", "ties")},
        "fitted on": first.basis["fit_on"],
        "chosen on": first.basis["select_on"],
    }
    rows = "".join(f"<div><dt>{text(k)}</dt><dd>{text(v)}</dd></div>" for k, v in entries.items())
    warning = ""
    if first.basis["select_on"] == "test":
        warning = (
            '<p class="notice">These runs were chosen on the test part, as the paper they repeat '
            "did: their numbers flatter.</p>"
        )
    return f'<dl class="basis">{rows}</dl>{warning}'


def _split(record: Record) -> str:
    fields = {k: v for k, v in record.basis.items() if k.startswith("split.")}
    name = record.basis["split"]
    if name == "None":
        return "the source’s own parts, else leave-one-out"
    return f"{name}({', '.join(f'{k[6:]}={v}' for k, v in fields.items())})"


def _metrics(group: Sequence[Record], number: dict[str, int]) -> str:
    names = accuracy_metrics(group)
    several = any("sd" in record.metrics for record in group)
    confidence = group[0].metrics["protocol"]["confidence"]
    header = ["run", *names, "fitted on", "epochs", "seconds", "examples/s"]
    rows = [
        [_mark(record, number), *(_value(record, group, name) for name in names), *_cost(record)]
        for record in group
    ]
    caption = (
        f"Test metrics, the best in bold; below each its {confidence:.0%} bootstrap interval over "
        f"users{', or ± sd over the seeds or folds of several runs' if several else ''}. Seconds "
        "are of the whole run; examples a second of its training."
    )
    panels = {
        name: [
            None if (bounds := record.spread(name)) is None else (record.test[name], *bounds)
            for record in group
        ]
        for name in names[:4]
    }
    named = [(number[record.name], record.name) for record in group]
    picture = figures.intervals(named, panels, "Test metrics with their intervals")
    return (
        f"<h3>How well</h3>{markup.table(caption, header, rows)}"
        f"<figure>{picture}<figcaption>The same at a glance. Runs whose intervals overlap may "
        "still differ for sure, as they answer for the same users: see below.</figcaption></figure>"
    )


def _value(record: Record, group: Sequence[Record], name: str) -> str:
    value, spread = record.test[name], record.spread(name)
    shown = f"{value:.4f}"
    if len(group) > 1 and value == best(group, name):
        shown = f"<strong>{shown}</strong>"
    if spread is None:
        return shown
    return f"{shown}<small>{spread[0]:.4f} – {spread[1]:.4f}</small>"


def _cost(record: Record) -> list[str]:
    metrics = record.metrics
    epochs = metrics.get("checkpoint", {}).get("epochs")
    rate = metrics.get("examples_per_second")
    return [
        text(metrics["protocol"]["fit_on"]),
        f"{epochs:g}" if epochs else "–",
        f"{metrics['seconds']:.1f}",
        f"{rate:,.0f}" if rate else "–",
    ]


def _differences(group: Sequence[Record]) -> str:
    if len(group) < 2:
        return ""
    names = accuracy_metrics(group)
    monitor = group[0].metrics["protocol"]["monitor"]
    names.sort(key=lambda name: name != monitor)
    tables = [(name, pairs(group, name)) for name in names]
    tables = [(name, found) for name, found in tables if found]
    if not tables:
        return "<h3>How surely</h3><p>No two of these runs asked the same users.</p>"
    shown = "".join(
        f"<details{' open' if place == 0 else ''}><summary>{text(name)}</summary>"
        f"{_pair_table(name, found)}</details>"
        for place, (name, found) in enumerate(tables)
    )
    return (
        "<h3>How surely</h3><p>Each pair of runs on the same users. The interval is the "
        "bootstrap’s of the mean difference; p is the chance of one as large if each user’s "
        "difference could as well have the other sign, corrected for the number of pairs (Holm)."
        f"</p>{shown}"
    )


def _pair_table(name: str, found: Sequence[Pair]) -> str:
    rows = []
    for pair in found:
        ahead, behind = pair.first, pair.second
        difference, low, high = pair.difference, pair.low, pair.high
        if difference < 0:
            ahead, behind, difference, low, high = behind, ahead, -difference, -high, -low
        shown = (
            f"{difference:.4f}" if pair.p_value >= 0.05 else f"<strong>{difference:.4f}</strong>"
        )
        p = f"{pair.p_value:.3f}" if pair.p_value >= 0.001 else "&lt; 0.001"
        rows.append(
            [text(ahead), text(behind), shown, f"{low:.4f} – {high:.4f}".replace("-", "−"), p]
        )
    caption = f"{name}: the first run’s mean minus the second’s; bold where p is below 0.05."
    return markup.table(
        caption, ["higher", "lower", "difference", "interval", "p"], rows, words=(1,)
    )


def _curves(group: Sequence[Record], number: dict[str, int]) -> str:
    monitor = group[0].metrics["protocol"]["monitor"]
    panels: dict[str, list[tuple[int, np.ndarray, np.ndarray]]] = {}
    for record in group:
        for per_epoch, lines in record.curves:
            for key, name in (
                ("loss", "training loss"),
                (f"validation/{monitor}", f"validation {monitor}"),
            ):
                points = [(line["step"] / per_epoch, line[key]) for line in lines if key in line]
                if points:
                    x, y = np.array(points, float).T
                    panels.setdefault(name, []).append((number[record.name], x, y))
    if not panels:
        return ""
    trained = [record for record in group if record.curves]
    picture = figures.learning_curves(panels, "Learning curves: loss and validation by epoch")
    return (
        f"<h3>How it was learnt</h3><figure>{picture}<figcaption>{_legend(trained, number)}"
        "Losses of different objectives do not compare; what is fitted in closed form has no curve."
        "</figcaption></figure>"
    )


def _performance(group: Sequence[Record], number: dict[str, int]) -> str:
    """Say how well the runs that trained by steps used their machine."""
    measured = [(x, own) for x in group if (own := x.metrics.get("performance"))]
    if not measured:
        return ""
    rows = [
        [
            _mark(record, number),
            _known(own["matmul_share"], lambda x: f"{x:.0%}"),
            _known(own["first_step_seconds"], lambda x: f"{x:.1f} s"),
            _known(own["input_share"], lambda x: f"{x:.1%}"),
            _known(own["table_bytes"], lambda x: f"{x / 1e6:,.1f} MB"),
            _known(own["peak_bytes"], lambda x: f"{x / 1e9:,.2f} GB"),
        ]
        for record, own in measured
    ]
    header = ["run", "of the matmul rate", "to the first step", "waited for input"]
    caption = (
        "Share of the machine’s matmul rate that training reached; seconds to its first step, "
        "compilation included; embedding tables with what the optimizer keeps of them; peak "
        "memory of the device where it tells, else of the process."
    )
    shown = markup.table(caption, [*header, "tables", "memory"], rows)
    return f"<h3>What it took</h3>{shown}"


def _known(value: float | None, write: Callable[[float], str]) -> str:
    return "–" if value is None else write(value)


def _exposures(group: Sequence[Record], number: dict[str, int], say: Say) -> str:
    found = [(record, measure(record.members[0], PLACES, say)) for record in group]
    first = found[0][1]
    rows = [
        [_mark(record, number), *(_beyond(name, x.means[name]) for name in BEYOND)]
        for record, x in found
    ]
    meaning = "; ".join(f"{name}: {text}" for name, text in BEYOND.items())
    caption = f"The first {first.k} places for {first.users:,} users of the test. {meaning}."
    sizes = ", ".join(f"{n:,} items" for n in first.tier_sizes)
    bars = figures.stacked(
        [*(record.name for record, _ in found), "training events"],
        TIERS,
        np.stack([*(x.tiers for _, x in found), _tiers_of_training(first)]),
        "How recommendations spread over popular and rare items",
    )
    curves = figures.lorenz(
        [*((number[record.name], x.lorenz) for record, x in found), (None, first.trained_on)],
        "Lorenz curves of how often items are recommended",
    )
    return (
        f"<h3>What is recommended</h3>{markup.table(caption, ['run', *BEYOND], rows)}"
        f'<div class="side"><figure>{bars}<figcaption>Items by how often they were met in '
        f"training, a third of all events each: {sizes}.</figcaption></figure>"
        f"<figure>{curves}<figcaption>{_legend(group, number)}Dashed: training events. The nearer "
        "the diagonal, the more evenly items are shown.</figcaption></figure></div>"
    )


def _tiers_of_training(exposure: Exposure) -> np.ndarray:
    edges = np.cumsum(exposure.tier_sizes[::-1])
    return np.diff(exposure.trained_on[np.concatenate([[0], edges])])[::-1]


def _beyond(name: str, value: float) -> str:
    return f"{value:,.0f}" if name == "popularity" else f"{value:.3f}"


def _provenance(records: Sequence[Record]) -> str:
    rows = [
        [
            text(record.name),
            text(record.workdir),
            text(record.metrics.get("seeds", record.metrics.get("seed"))),
            text(record.metrics.get("commit") or "–"),
            text(record.metrics.get("device", "–")),
            f'<span class="wrap">{text(_versions(record))}</span>',
        ]
        for record in records
    ]
    header = ["run", "folder", "seed", "commit", "device", "versions"]
    configs = "".join(
        f"<details><summary>{text(record.name)}: config</summary>"
        f"<pre>{text(json.dumps(record.config, indent=1))}</pre></details>"
        for record in records
    )
    shown = markup.table("Each run with its code and machine.", header, rows, words=range(1, 6))
    return f"<h2>Where the numbers come from</h2>{shown}{configs}"


def _versions(record: Record) -> str:
    return ", ".join(f"{name} {number}" for name, number in record.metrics["versions"].items())


def _mark(record: Record, number: dict[str, int]) -> str:
    index = number[record.name]
    glyph = GLYPHS[index % len(GLYPHS)]
    colour = figures.colour_of(index)
    return f'<span aria-hidden="true" style="color: {colour}">{glyph}</span> {text(record.name)}'


def _legend(records: Sequence[Record], number: dict[str, int]) -> str:
    marks = "".join(f"<span>{_mark(record, number)}</span>" for record in records)
    return f'<span class="legend">{marks}</span>'
