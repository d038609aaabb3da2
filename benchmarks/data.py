"""From a CSV of 20 million synthetic events to a leave-one-out split: seconds, memory, as JSON.

    python benchmarks/data.py --out benchmarks/results/data.json

The rows are in random order, so that ids, parsing and sorting are all paid for. Each repeat runs in
a process of its own, on two cores; writing the CSV is not measured.
"""

import argparse
import dataclasses
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from jaxrec.data.sources.delimited import read_csv
from jaxrec.data.sources.events import Columns, Files
from jaxrec.data.sources.synthetic import Synthetic, generate
from jaxrec.data.splits import LeaveOneOut

CORES = 2


def main() -> None:
    arguments = parse()
    if arguments.measure is not None:
        print(json.dumps(measure(arguments.measure)))
        return
    config = Synthetic(
        num_users=max(arguments.events // 100, 2),
        num_items=max(arguments.events // 1_000, 700),
        num_events=arguments.events,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.csv"
        write_csv(config, path)
        runs = [in_own_process(path) for _ in range(arguments.repeats)]
        size = path.stat().st_size
    result = {
        "benchmark": "data: csv to leave-one-out split",
        "config": dataclasses.asdict(config),
        "csv_bytes": size,
        "cores": CORES,
        "device": f"{platform.machine()}, {os.cpu_count()} cores",
        "commit": commit(),
        "versions": {"python": platform.python_version(), "numpy": np.__version__}
        | {"pandas": pd.__version__, "pyarrow": pa.__version__},
        "runs": runs,
        "seconds": summary([run["seconds"]["total"] for run in runs]),
        "peak_gib": summary([run["peak_gib"] for run in runs]),
    }
    print(json.dumps(result, indent=2))
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=2) + "\n")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--events", type=int, default=20_000_000, help="rows of the CSV")
    parser.add_argument("--repeats", type=int, default=3, help="processes that are measured")
    parser.add_argument("--out", type=Path, help="the JSON file to write")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def write_csv(config: Synthetic, path: Path) -> None:
    events = generate(config).interactions
    rows = np.random.default_rng(config.seed).permutation(len(events))
    table = pa.table(
        {
            "user": events.user[rows],
            "item": events.item[rows],
            "rating": events.value[rows],
            "timestamp": events.timestamp[rows].astype(np.int64),
        }
    )
    pyarrow.csv.write_csv(table, path)


def in_own_process(path: Path) -> dict:
    command = [sys.executable, __file__, "--measure", str(path)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def measure(path: Path) -> dict:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    pa.set_cpu_count(CORES)
    start, busy = time.perf_counter(), time.process_time()
    interactions = read_csv(Files(path), Columns()).interactions
    read = time.perf_counter()
    split = LeaveOneOut()(interactions, seed=0)
    end = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "events": len(interactions),
        "tested": len(split.test),
        "seconds": {"read": read - start, "split": end - read, "total": end - start},
        "cpu_seconds": time.process_time() - busy,
        "peak_gib": peak / 2**20 if sys.platform == "linux" else peak / 2**30,
    }


def summary(values: list[float]) -> dict[str, float]:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": statistics.mean(values), "sd": deviation}


def commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout.strip() or "none"


if __name__ == "__main__":
    main()
