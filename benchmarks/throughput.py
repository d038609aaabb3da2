"""jaxrec and its peers at the same work, alternating, on two cores: seconds, quality, goals.

    python benchmarks/throughput.py [--suite quick|full|scale] [--only sasrec,search] [--repeats 5]

Each side of a work is a process of its own, a peer's in the environment that peers/ builds; what it
recommends or predicts is judged by jaxrec's evaluator. Our first call is not counted, nor is that
of a peer that is quick. What is slower than its goal is run once more, and its profile is kept. The
results go into results/, each as soon as it is there, beside those not asked for, and the page is
written anew. `scale` has no peers: it draws how jaxrec's time and memory grow, see scale.py.
"""

import argparse
import contextlib
import difflib
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks import inputs, scale
from benchmarks.judge import judge
from benchmarks.ours.baselines import params_for_peer
from benchmarks.page import write
from benchmarks.peers.environments import HERE as PEERS
from benchmarks.peers.environments import python_of
from benchmarks.processes import Side, machine, pin, worker
from benchmarks.rows import HERE, Bench, dirty
from benchmarks.speed_page import speed_status
from benchmarks.works import WORKS, Work
from jaxrec.errors import InputError
from jaxrec.workdir import provenance, write_json


def main() -> int:
    """Measure what is asked for, one after the other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--suite", choices=("quick", "full", "scale"), default="quick")
    parser.add_argument(
        "--only", help="names of works or curves, or their beginnings, with commas between"
    )
    parser.add_argument("--repeats", type=int, default=5, help="most times that a side is timed")
    arguments = parser.parse_args()
    pin()
    bench = Bench(HERE)
    try:
        if arguments.suite == "scale":
            failed = scale.run(bench, chosen(arguments.only, list(scale.CURVES)))
        else:
            failed = run(bench, arguments.suite, arguments.only, max(arguments.repeats, 1))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    write(bench)
    return int(failed)


def run(bench: Bench, suite: str, only: str | None, repeats: int) -> bool:
    """Measure the works of a suite, or those that are named; tell whether one could not run."""
    quick = [work.name for work in WORKS if work.quick or suite == "full"]
    names = quick if only is None else chosen(only, [work.name for work in WORKS])
    failed = False
    for work in (work for work in WORKS if work.name in names):
        print(f"== {work.name}, against {work.peer}", flush=True)
        try:
            row = measure(bench, work, min(repeats, work.repeats))
        except (InputError, subprocess.CalledProcessError) as error:
            print(f"not run: {error}", flush=True)
            failed = True
            continue
        print("  ".join(f"{k} {v:.4g}" for k, v in row.items() if isinstance(v, float)), flush=True)
        keep(bench, row)
    return failed


def chosen(only: str | None, names: list[str]) -> list[str]:
    """Find names by how they begin; None: all. An unknown one is an InputError."""
    if only is None:
        return names
    for start in only.split(","):
        if not any(name.startswith(start) for name in names):
            near = difflib.get_close_matches(start, names, n=1, cutoff=0)
            raise InputError(f"No work is named {start!r}; the nearest is {near[0]}.")
    return [name for name in names if name.startswith(tuple(only.split(",")))]


def keep(bench: Bench, row: dict[str, Any]) -> None:
    """Put the row in the place of its former one."""
    path = bench.folder / "results" / "throughput.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    by_name = {row["work"]: row for row in [*rows, row]}
    write_json(path, [by_name[work.name] for work in WORKS if work.name in by_name])


def measure(bench: Bench, work: Work, repeats: int) -> dict[str, Any]:
    """Time both sides in turn, judge what they give, and profile ours if it is too slow."""
    folder = inputs.make(work.data)
    params = params_for_peer(work, inputs.prepared_of(work.data))
    outs = {who: inputs.RUNS / f"{work.name}-{who}.npz" for who in ("ours", "peer")}
    targets = bench.targets()["throughput"]
    profile = None
    with contextlib.ExitStack() as stack:
        sides = {
            who: stack.enter_context(worker(*command))
            for who, command in commands(work, folder, params, outs).items()
        }
        told, first = alternate(sides, repeats, work.warm_peer)
        told = to_equal(told)
        figures = {who: _medians(calls) for who, calls in told.items()}
        row = compared(work, params, figures, told) | {
            "peer_version": sides["peer"].version,
            "goal": targets["goals"][work.kind],
            "first_seconds": first / work.params.get("epochs", 1),
        }
        if row["ratio"] < row["goal"]:
            profile = sides["ours"].profile()
    qualities = {f"quality_{who}": judge(work, folder, out) for who, out in outs.items()}
    found = provenance()
    row |= {
        **qualities,
        "repeats": repeats,
        "profile": profile,
        "machine": machine(found["cores"]),
        "versions": found["versions"],
        "commit": (found["commit"] or "").rstrip("+") or None,
        "dirty": dirty(),
    }
    return row | {"status": speed_status(row, targets)}


def commands(
    work: Work, folder: Path, params: dict[str, Any], outs: dict[str, Path]
) -> dict[str, tuple[list[str], str]]:
    """Say how the two sides are started."""
    ours = [sys.executable, "-m", "benchmarks.ours", work.name, str(folder), str(outs["ours"])]
    script = [str(python_of(work.peer)), "-W", "ignore", str(PEERS / f"{work.peer}_peer.py")]
    known = json.dumps(params | {"peer_folder": str(folder / "peer")})
    told = [work.kind, str(folder / "arrays.npz"), str(outs["peer"]), known]
    return {"ours": (ours, ""), "peer": ([*script, *told], work.peer)}


def alternate(
    sides: dict[str, Side], repeats: int, warm_peer: bool
) -> tuple[dict[str, list[dict[str, float]]], float]:
    """Ask both in turn, the other one first each time; secondly give our uncounted call's time."""
    first = sides["ours"].once()["seconds"]
    if warm_peer:
        sides["peer"].once()
    told: dict[str, list[dict[str, float]]] = {"ours": [], "peer": []}
    for repeat in range(repeats):
        for who in ("ours", "peer") if repeat % 2 else ("peer", "ours"):
            told[who].append(sides[who].once())
    return told, first


def compared(
    work: Work,
    params: dict[str, Any],
    figures: dict[str, dict[str, float]],
    told: dict[str, list[dict[str, float]]],
) -> dict[str, Any]:
    """Lay the figures of both sides beside each other; those of an epoch, where several are run."""
    per = work.params.get("epochs", 1)
    row: dict[str, Any] = {"work": work.name, "kind": work.kind, "peer": work.peer}
    for who, own in figures.items():
        row |= {f"{who}_{name}": value for name, value in own.items()}
        row[f"{who}_seconds"] = own["seconds"] / per
    row["ratio"] = row["peer_seconds"] / row["ours_seconds"]
    if "peak_gib" in figures["ours"]:
        row["memory_share"] = row["ours_peak_gib"] / row["peer_peak_gib"]
    seconds = {who: [x["seconds"] / per for x in calls] for who, calls in told.items()}
    return row | {
        "quality": work.quality,
        "unit": work.unit,
        "all_seconds": seconds,
        "params": params,
        "note": work.note,
    }


def to_equal(told: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Of calls that tell a curve of seconds and quality, count the time to what all calls reach."""
    calls = [call for own in told.values() for call in own]
    if not all("curve" in call for call in calls):
        return told
    goal = min(max(quality for _, quality in call["curve"]) for call in calls)

    def reached(call: dict[str, Any]) -> dict[str, Any]:
        seconds = next(spent for spent, quality in call["curve"] if quality >= goal)
        return {"seconds": seconds, "reached": goal}

    return {who: [reached(call) for call in own] for who, own in told.items()}


def _medians(calls: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(call[name] for call in calls) for name in calls[0]}


if __name__ == "__main__":
    sys.exit(main())
