"""benchmarks/README.md and its pictures, out of the results and the targets: no number is typed."""

import json
from collections.abc import Sequence
from typing import Any

from benchmarks import pictures
from benchmarks.rows import Bench, Group, Row, rows_of, status
from benchmarks.works import WORKS, Work
from jaxrec.metrics.protocol import LOWER_IS_BETTER

HEAD = """\
# Benchmarks

This page is generated: `python benchmarks/accuracy.py --table` writes it anew out of
`targets.toml` (what is held to, and how closely) and `results/` (what was measured).

```text
python benchmarks/accuracy.py --suite baselines   run what has no result yet, write this page
python scripts/reproduce.py ROW                   run one row; after a kill it goes on
python benchmarks/throughput.py                   jaxrec beside its peers, on two cores
python benchmarks/data.py                         from a CSV of 20 million rows to a split
```

The data sets are looked for under `$JAXREC_DATA`. Targets change only in a commit that changes
nothing else. A row whose config has changed since it ran counts as not run.
"""


def write(bench: Bench) -> None:
    """Write the page, and a picture of each suite, into the bench's folder."""
    for suite, groups in bench.suites().items():
        results = {row.name: bench.result(row) for row in rows_of(groups)}
        (bench.folder / f"{suite}.svg").write_text(pictures.differences(suite, groups, results))
    (bench.folder / "README.md").write_text(page(bench))


def page(bench: Bench) -> str:
    """Lay out the page."""
    parts = [HEAD]
    for suite, groups in bench.suites().items():
        parts += [f"## Accuracy: {suite}\n", _count(bench, list(rows_of(groups)))]
        parts.append(f"![Ours against the published numbers, {suite}]({suite}.svg)\n")
        for group in groups:
            parts += [f"### {group.title}\n", table(bench, group), _sources(group)]
            parts.append(_machines([bench.result(row) for row in group.rows]))
    parts.append(throughput(bench))
    return "\n".join(part for part in parts if part)


def table(bench: Bench, group: Group) -> str:
    """Lay out a group's rows as a Markdown table, ours and the published number side by side."""
    compared = any(row.published for row in group.rows)
    head = [f"{name} | published" if compared else name for name in group.metrics]
    lines = [["row", "fit on", *head, "tolerance", "status", "runs", "seconds", "commit"]]
    rule = ["---: | ---:" if compared else "---:" for _ in head]
    lines.append(["---", "---", *rule, "---:", "---", "---:", "---:", "---"])
    for row in group.rows:
        result = bench.result(row)
        measured = ["–"] * 3 if result is None else _provenance(result)
        cells = [_ours(result, name) for name in group.metrics]
        if compared:
            pairs = zip(cells, group.metrics)
            cells = [f"{cell} | {_published(row, name)}" for cell, name in pairs]
        fit_on = row.fit_on if result is None else result["fit_on"]
        word, name = _word(status(row, result)), f"`{row.name}`"
        lines.append([name, fit_on or "–", *cells, _tolerance(row), word, *measured])
    return _markdown(lines)


def _word(word: str) -> str:
    return f"**{word}**" if word == "miss" else word


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _count(bench: Bench, rows: list[Row]) -> str:
    """Say how many gated rows pass, and name the others, misses first."""
    gated = [(status(row, bench.result(row)), row.name) for row in rows if row.gated]
    named: dict[str, list[str]] = {"miss": [], "not run": [], "pass": []}
    for word, name in gated:
        named[word].append(name)
    text = f"Of {len(gated)} gated rows {len(named['pass'])} pass"
    for word in ("miss", "not run"):
        names = ", ".join(f"`{name}`" for name in named[word])
        text += f"; {word}: {names}" if names else ""
    return text + ".\n"


def _ours(result: dict[str, Any] | None, metric: str) -> str:
    if result is None:
        return "–"
    mean, sd = result["metrics"]["mean"][metric], result["metrics"]["sd"]
    return _number(mean) + (f" ± {_number(sd[metric])}" if sd else "")


def _published(row: Row, metric: str) -> str:
    return _number(row.published[metric]) if metric in row.published else "–"


def _number(value: float) -> str:
    return f"{value:.4f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.4f}"


def _tolerance(row: Row) -> str:
    if not row.gated:
        return "–"
    text = row.tolerance if isinstance(row.tolerance, str) else f"{row.tolerance:g}"
    if row.one_sided:
        return f"as good, less {text}" if row.tolerance else "as good"
    gated = "" if len(row.gated) == len(row.metrics) else f" ({', '.join(row.gated)})"
    return f"± {text}{gated}"


def _provenance(result: dict[str, Any]) -> list[str]:
    return [str(result["runs"]), f"{result['seconds']:,.1f}", _commit(result)]


def _sources(group: Group) -> str:
    """Say where the published numbers come from, each source once."""
    rows: dict[str, list[str]] = {}
    for row in group.rows:
        if row.published:
            rows.setdefault(row.source, []).append(row.name)
    if len(rows) == 1:
        return f"Published: {next(iter(rows))}.\n"
    lines = (f"- {source}: {', '.join(f'`{x}`' for x in names)}" for source, names in rows.items())
    return "Published:\n" + "\n".join(lines) + "\n" if rows else ""


def _machines(results: Sequence[dict[str, Any] | None]) -> str:
    found = {_machine(result): None for result in results if result is not None}
    return f"Ours: {'; '.join(found)}. ± is the standard deviation of runs.\n" if found else ""


def _machine(result: dict[str, Any]) -> str:
    jax = result["versions"]["jax"]
    return f"{result['device']}, {result['cores']} cores, jax {jax}"


# Throughput ---------------------------------------------------------------------------------------


def throughput(bench: Bench) -> str:
    """Lay out results/throughput.json, misses first."""
    path = bench.folder / "results" / "throughput.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    found = {row["work"]: row for row in rows}
    targets = bench.targets()["throughput"]
    order = ("miss", "pass", "not run")
    judged = [(speed_status(found.get(work.name), targets), work) for work in WORKS]
    judged.sort(key=lambda pair: order.index(pair[0]))
    head = ["work", "peer", "ours, s", "peer, s", "peer / ours", "goal", "status"]
    head += ["quality, ours", "quality, peer", "first call, s", "repeats", "commit"]
    lines = [head, ["---", "---", *["---:"] * 4, "---", *["---:"] * 4, "---"]]
    for word, work in judged:
        goal = f"{targets['goals'][work.kind]:g}"
        lines.append(_speed_line(word, work, goal, found.get(work.name)))
    text = f"""\
Medians of alternating repeats, both pinned to the same two cores; compilation stands in “first
call”. A row passes at its goal, if its quality is no more than {targets["quality"]:.0%} behind.
"""
    notes = "\n".join(f"- `{name}`: {note}" for name, note in _notes().items())
    machines = "; ".join(dict.fromkeys(row["machine"] for row in rows))
    return f"## Throughput\n\n{text}\n{_markdown(lines)}\n{notes}\n\nMachine: {machines or '–'}.\n"


def speed_status(row: dict[str, Any] | None, targets: dict[str, Any]) -> str:
    """Judge a row by its ratio, and by its quality beside the peer's."""
    if row is None:
        return "not run"
    ours, peer = row["quality_ours"], row["quality_peer"]
    worse = ours - peer if row["quality"].startswith(LOWER_IS_BETTER) else peer - ours
    fast = row["ratio"] >= targets["goals"][row["kind"]]
    return "pass" if fast and worse <= targets["quality"] * peer else "miss"


def _notes() -> dict[str, str]:
    """Give what is to be known of each kind of work, by its name."""
    return {work.kind: work.note for work in WORKS if work.note}


def _speed_line(word: str, work: Work, goal: str, row: dict[str, Any] | None) -> list[str]:
    if row is None:
        return [f"`{work.name}`", work.peer, *["–"] * 3, goal, word, *["–"] * 5]
    return [
        f"`{work.name}`",
        f"{row['peer']} {row['peer_version']}",
        f"{row['ours_seconds']:.3f}",
        f"{row['peer_seconds']:.3f}",
        f"{row['ratio']:.2f}",
        goal,
        _word(word),
        f"{row['quality']} {_number(row['quality_ours'])}",
        _number(row["quality_peer"]),
        f"{row['first_seconds']:.2f}",
        str(row["repeats"]),
        _commit(row),
    ]


def _commit(result: dict[str, Any]) -> str:
    return (result["commit"] or "–") + ("+" if result["dirty"] else "")
