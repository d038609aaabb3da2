"""benchmarks/README.md and its pictures, out of the results and the targets: no number is typed."""

from collections.abc import Sequence
from typing import Any

from benchmarks import pictures, sparsity_page, speed_page, speed_pictures
from benchmarks.rows import Bench, Group, Row, rows_of, status
from benchmarks.tables import commit, markdown, number, word_of

HEAD = """\
# Benchmarks

This page is generated: `python benchmarks/accuracy.py --table` writes it anew out of
`targets.toml` (what is held to, and how closely) and `results/` (what was measured).

```text
python benchmarks/accuracy.py --suite baselines   run what has no result yet, write this page
python scripts/reproduce.py ROW                   run one row; after a kill it goes on
python benchmarks/throughput.py                   jaxrec beside its peers, on two cores: a few works
python benchmarks/throughput.py --suite full      all of them, in about an hour
python benchmarks/throughput.py --suite scale     how time and memory grow, in about 15 minutes
python benchmarks/sparsity.py                     which method when: few events, much noise
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
        if drawn := pictures.curves(suite, groups, results):
            (bench.folder / f"{suite}_curves.svg").write_text(drawn)
    for name, picture in speed_pictures.drawn(bench).items():
        (bench.folder / f"{name}.svg").write_text(picture)
    studied = sparsity_page.picture(sparsity_page.results(bench))
    (bench.folder / "sparsity.svg").write_text(studied)
    (bench.folder / "README.md").write_text(page(bench))


def page(bench: Bench) -> str:
    """Lay out the page."""
    parts = [HEAD]
    for suite, groups in bench.suites().items():
        parts += [f"## Accuracy: {suite}\n", _count(bench, list(rows_of(groups)))]
        parts.append(f"![Ours against the published numbers, {suite}]({suite}.svg)\n")
        if any((bench.result(row) or {}).get("curve") for row in rows_of(groups)):
            parts.append(f"![Validation while training, {suite}]({suite}_curves.svg)\n")
        for group in groups:
            parts += [f"### {group.title}\n", table(bench, group), _sources(group)]
            parts.append(_machines([bench.result(row) for row in group.shown]))
    parts.append(sparsity_page.section(sparsity_page.results(bench)))
    parts += [speed_page.throughput(bench), speed_page.scale(bench)]
    return "\n".join(part for part in parts if part)


def table(bench: Bench, group: Group) -> str:
    """Lay out a group's rows as a Markdown table, ours and the published number side by side."""
    compared = any(row.published for row in group.shown)
    head = [f"{name} | published" if compared else name for name in group.metrics]
    lines = [["row", "fit on", *head, "tolerance", "status", "runs", "seconds", "commit"]]
    rule = ["---: | ---:" if compared else "---:" for _ in head]
    lines.append(["---", "---", *rule, "---:", "---", "---:", "---:", "---"])
    for row in group.shown:
        result = bench.result(row)
        measured = ["–"] * 3 if result is None else _provenance(result)
        cells = [_ours(result, name) for name in group.metrics]
        if compared:
            pairs = zip(cells, group.metrics)
            cells = [f"{cell} | {_published(row, name)}" for cell, name in pairs]
        fit_on = row.fit_on if result is None else result["fit_on"]
        word, name = word_of(status(row, result)), f"`{row.name}`"
        lines.append([name, fit_on or "–", *cells, _tolerance(row), word, *measured])
    return markdown(lines)


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
    return number(mean) + (f" ± {number(sd[metric])}" if sd else "")


def _published(row: Row, metric: str) -> str:
    return number(row.published[metric]) if metric in row.published else "–"


def _tolerance(row: Row) -> str:
    if not row.gated:
        return "–"
    text = row.tolerance if isinstance(row.tolerance, str) else f"{row.tolerance:g}"
    if row.one_sided:
        return f"as good, less {text}" if row.tolerance else "as good"
    gated = "" if len(row.gated) == len(row.metrics) else f" ({', '.join(row.gated)})"
    return f"± {text}{gated}"


def _provenance(result: dict[str, Any]) -> list[str]:
    return [str(result["runs"]), f"{result['seconds']:,.1f}", commit(result)]


def _sources(group: Group) -> str:
    """Say where the published numbers come from, each source once."""
    rows: dict[str, list[str]] = {}
    for row in group.shown:
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
