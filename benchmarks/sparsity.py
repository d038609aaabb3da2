"""Which method when: NDCG against the share of events that is kept, and against noise.

    python benchmarks/sparsity.py [--only ease,ials] [--points full,kept,noise_0.5]

Of ml-1m each user's last event is tested and the one before validates; only training events are
taken away or added, see corruption.py. Each point runs in a process of its own, goes on where it
was cut off, and is written as soon as it is there; what has a result is not run again. Methods and
points are those of sparsity_points.py, and the page is written anew at the end.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.page import write
from benchmarks.processes import machine, usable
from benchmarks.rows import HERE, ROOT, Bench, dirty
from benchmarks.sparsity_points import (
    METHODS,
    POINTS,
    SEED,
    Point,
    config_of,
    dataset_at,
    path_of,
    read,
    valid,
)
from jaxrec import config as configs
from jaxrec.errors import InputError
from jaxrec.performance import cache_compilations, peak_memory
from jaxrec.train import train_and_evaluate
from jaxrec.workdir import read_json, write_json


def main() -> int:
    """Run what is asked for and has no result, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--only", help=f"methods, with commas between: {', '.join(METHODS)}")
    parser.add_argument("--points", help="names of points, or their beginnings")
    parser.add_argument("--folder", type=Path, default=HERE, help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    bench = Bench(arguments.folder)
    by_name = {point.name: point for point in POINTS}
    if arguments.measure:
        name, where = arguments.measure
        cache_compilations()
        measure(bench, name, by_name[where])
        return 0
    try:
        names = chosen(arguments.only, list(METHODS))
        points = [by_name[name] for name in chosen(arguments.points, list(by_name))]
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    failed = run(bench, names, points)
    write(bench)
    return int(failed)


def chosen(only: str | None, names: list[str]) -> list[str]:
    """Find names by how they begin; None: all. An unknown one is an InputError."""
    starts = names if only is None else only.split(",")
    for start in starts:
        if not any(name.startswith(start) for name in names):
            raise InputError(f"Nothing is named {start!r}; the names are {', '.join(names)}.")
    return [name for name in names if name.startswith(tuple(starts))]


def run(bench: Bench, names: list[str], points: list[Point]) -> bool:
    """Measure what has no result, each point in its own process; tell whether one failed."""
    failed = False
    for name in names:
        try:
            config_of(METHODS[name], POINTS[0])
        except InputError as error:
            print(f"{name} is skipped: {error}.", flush=True)
            continue
        for point in points:
            if point.name not in valid(bench, name):
                print(f"\n== {name}, {point.name}", flush=True)
                failed |= not apart(bench, name, point)
    return failed


def apart(bench: Bench, name: str, point: Point) -> bool:
    """Measure in a process of its own; tell whether that went well."""
    command = [sys.executable, "-m", "benchmarks.sparsity", "--folder", str(bench.folder.resolve())]
    done = subprocess.run([*command, "--measure", name, point.name], cwd=ROOT)
    if done.returncode:
        print(f"not run: exit code {done.returncode}, see above", flush=True)
    return not done.returncode


def measure(bench: Bench, name: str, point: Point) -> dict[str, Any]:
    """Run a point, or go on with it where it was cut off, and put its result among the others."""
    config, workdir = config_of(METHODS[name], point), bench.runs / f"sparsity-{name}-{point.name}"
    saved = workdir / "config.json"
    if saved.exists() and read_json(saved) != configs.to_json(config):
        shutil.rmtree(workdir)
    found = train_and_evaluate(config, workdir, dataset_at(point))
    result = {
        "method": name,
        "point": point.name,
        "kept": point.kept,
        "noise": point.noise,
        "test": found["test"],
        "interval": found["intervals"]["test"]["ndcg@10"],
        "validation": found["validation"],
        "events": found["data"]["events"],
        "epochs": found["checkpoint"]["epochs"],
        "steps": found["checkpoint"]["step"],
        "seconds": found["seconds"],
        "peak_gib": peak_memory()[0] / 2**30,
        "seed": SEED,
        "machine": machine(found["cores"], usable()),
        "versions": found["versions"],
        "commit": (found["commit"] or "").rstrip("+") or None,
        "dirty": dirty(),
        "sha256": found["data"]["sha256"],
        "config": configs.to_json(config),
    }
    keep(bench, result)
    shutil.rmtree(workdir)
    print(f"{name}, {point.name}: NDCG@10 {found['test']['ndcg@10']:.4f}", flush=True)
    return result


def keep(bench: Bench, result: dict[str, Any]) -> None:
    """Put a result in the place of its former one."""
    by_point = {**read(bench, result["method"]), result["point"]: result}
    path = path_of(bench, result["method"])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, [by_point[x.name] for x in POINTS if x.name in by_point])


if __name__ == "__main__":
    sys.exit(main())
