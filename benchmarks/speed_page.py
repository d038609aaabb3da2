"""The page's parts on speed: jaxrec beside its peers, and how its time and memory grow."""

import json
from typing import Any

from benchmarks.rows import Bench
from benchmarks.scale import CURVES, exponent
from benchmarks.tables import commit, markdown, number, word_of
from benchmarks.works import WORKS, Work
from jaxrec.metrics.protocol import LOWER_IS_BETTER

ORDER = ("slower", "miss", "pass", "not run")
"""What is slower than its peer stands first, then what misses its goal."""


def results(bench: Bench, name: str) -> list[dict[str, Any]]:
    """Read what was measured."""
    path = bench.folder / "results" / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else []


def speed_status(row: dict[str, Any] | None, targets: dict[str, Any]) -> str:
    """Judge a row by its ratio, by its quality beside the peer's, and by its memory."""
    if row is None:
        return "not run"
    if row["ratio"] < 1:
        return "slower"
    fast = row["ratio"] >= targets["goals"][row["kind"]]
    small = row.get("memory_share", 0) <= targets.get("memory", {}).get(row["kind"], float("inf"))
    return "pass" if fast and small and not worse(row, targets["quality"]) else "miss"


def worse(row: dict[str, Any], allowed: float) -> bool:
    """Tell whether the quality is behind the peer's by more than the share that is allowed."""
    if row["quality"] is None:
        return False
    ours, peer = row["quality_ours"], row["quality_peer"]
    behind = ours - peer if row["quality"].startswith(LOWER_IS_BETTER) else peer - ours
    return behind > allowed * peer


def throughput(bench: Bench) -> str:
    """Lay out results/throughput.json, misses first, and where the time of these goes."""
    rows = results(bench, "throughput")
    found = {row["work"]: row for row in rows}
    targets = bench.targets()["throughput"]
    judged = [(speed_status(found.get(work.name), targets), work) for work in WORKS]
    judged.sort(key=lambda pair: ORDER.index(pair[0]))
    head = ["work", "peer", "ours, s", "peer, s", "peer / ours", "goal", "status", "memory"]
    head += ["quality, ours", "quality, peer", "first call, s", "repeats", "commit"]
    lines = [head, ["---", "---", *["---:"] * 4, "---", *["---:"] * 5, "---"]]
    for word, work in judged:
        goal = f"{targets['goals'][work.kind]:g}"
        lines.append(_line(word, work, goal, found.get(work.name)))
    text = f"""\
Medians of alternating repeats, both pinned to the same two cores; compilation stands in “first
call”. A row passes at its goal, if its quality is no more than {targets["quality"]:.0%} behind and
its memory, as a share of the peer's, within its own. “Slower” is slower than the peer.
"""
    notes = "\n".join(f"- `{name}`: {note}" for name, note in _notes().items())
    machines = "; ".join(dict.fromkeys(row["machine"] for row in rows))
    missed = [found[work.name] for word, work in judged if word in ("slower", "miss")]
    return (
        f"## Throughput\n\n{_count(judged)}\n![Peer over ours, and the goals](throughput.svg)\n\n"
        f"{text}\n{markdown(lines)}\n{profiles(missed)}{notes}\n\nMachine: {machines or '–'}.\n"
    )


def profiles(rows: list[dict[str, Any]]) -> str:
    """Lay out where the time of our side goes, in works that miss their goals."""
    lines = [["work", "where its time goes, of our side"], ["---", "---"]]
    for row in rows:
        parts = ", ".join(f"{x['share']:.0%} {x['part']}" for x in row.get("profile") or [])
        if parts:
            lines.append([f"`{row['work']}`", parts.replace("|", "\\|")])
    return f"{markdown(lines)}\n" if len(lines) > 2 else ""


def _count(judged: list[tuple[str, Work]]) -> str:
    named = {word: [f"`{x.name}`" for found, x in judged if found == word] for word in ORDER}
    text = f"Of {len(judged)} works {len(named['pass'])} reach their goal"
    for word in ("slower", "miss", "not run"):
        text += f"; {word}: {', '.join(named[word])}" if named[word] else ""
    return text + ".\n"


def _notes() -> dict[str, str]:
    """Give what is to be known of each kind of work, by its name."""
    return {work.kind: work.note for work in WORKS if work.note}


def _line(word: str, work: Work, goal: str, row: dict[str, Any] | None) -> list[str]:
    name = f"`{work.name}`" + (f", {work.unit}" if work.unit else "")
    if row is None:
        return [name, work.peer, *["–"] * 3, goal, word, *["–"] * 6]
    judged = row["quality"] is not None
    return [
        name,
        f"{row['peer']} {row['peer_version']}",
        f"{row['ours_seconds']:.3f}",
        f"{row['peer_seconds']:.3f}",
        f"{row['ratio']:.2f}",
        goal,
        word_of(word),
        f"{row['memory_share']:.2f}" if "memory_share" in row else "–",
        f"{row['quality']} {number(row['quality_ours'])}" if judged else "–",
        number(row["quality_peer"]) if judged else "–",
        f"{row['first_seconds']:.2f}",
        str(row["repeats"]),
        commit(row),
    ]


# Growth -------------------------------------------------------------------------------------------


def growth(points: list[dict[str, Any]]) -> dict[str, float]:
    """Measure a curve: the exponents of time and memory, and the slowest over the fastest."""
    sizes, seconds, memory = ([x[name] for x in points] for name in ("size", "seconds", "peak_gib"))
    found = {"exponent": exponent(sizes, seconds), "memory_exponent": exponent(sizes, memory)}
    shares = [x["matmul_share"] for x in points if "matmul_share" in x]
    return found | {"spread": seconds[-1] / seconds[0]} | ({"share": max(shares)} if shares else {})


def scale(bench: Bench) -> str:
    """Lay out results/scale.json: the ends of each curve, its exponent, and its goals."""
    points, targets = results(bench, "scale"), bench.targets().get("scale", {})
    head = ["curve", "along", "seconds", "from", "to", "exponent", "memory", "goal", "status"]
    lines = [head, ["---", "---", "---", "---:", "---:", "---:", "---:", "---", "---"]]
    for name, curve in CURVES.items():
        own, goal = [x for x in points if x["curve"] == name], targets.get(name, {})
        said = ", ".join(f"{key} {value:g}" for key, value in goal.items()) or "–"
        along = f"{curve.sizes[0]:,} – {curve.sizes[-1]:,} {curve.along}"
        if len(own) < 2:
            lines.append([f"`{name}`", along, curve.unit, *["–"] * 4, said, "not run"])
            continue
        found = growth(own)
        share = f", {found['share']:.2f} of the matmul rate" if "share" in found else ""
        ends = [f"{own[place]['seconds']:.3g}" for place in (0, -1)]
        memory = f"{own[-1]['peak_gib']:.1f} GiB at most ({found['memory_exponent']:.2f})"
        slope = f"{found['exponent']:.2f}{share}"
        word = word_of(scale_status(found, goal))
        lines.append([f"`{name}`", along, curve.unit, *ends, slope, memory, said, word])
    commits = ", ".join(dict.fromkeys(commit(x) for x in points))
    machines = "; ".join(dict.fromkeys(x["machine"] for x in points))
    return f"""\
## Scale

![How time and memory grow](scale.svg)

Each point in a process of its own, the least of its repeats. The exponent is the slope of a
straight line through the logarithms: 0 does not grow, 1 is linear; that of memory stands in
brackets. “spread” is the last point over the first, “share” SASRec's step in units of the rate of a
float32 matmul, measured beside it.

{markdown(lines)}
Machine: {machines or "–"}. Commits: {commits or "–"}.
"""


def scale_status(found: dict[str, float], goal: dict[str, float]) -> str:
    """Judge a curve: exponents and spread at most, the share at least what the goal says."""
    if not goal:
        return "shown"
    met = (
        found[name] >= value if name == "share" else found[name] <= value
        for name, value in goal.items()
    )
    return "pass" if all(met) else "miss"
