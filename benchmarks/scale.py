"""How jaxrec's time and memory grow: with a table, events, items, and the length of sequences.

    python benchmarks/throughput.py --suite scale [--only table_rows]

Each point runs in a process of its own, so that its peak of memory is its own. The exponent of a
curve is the slope of a straight line through the logarithms.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.inputs import RUNS, make, prepared_of
from benchmarks.ours.models import sasrec_of
from benchmarks.ours.trainer import Trainer
from benchmarks.processes import machine
from benchmarks.rows import ROOT, Bench, dirty
from benchmarks.works import SASREC
from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences, Pairs
from jaxrec.data.interactions import Dataset, Interactions, Vocabulary
from jaxrec.data.prepare import DataConfig, Prepared
from jaxrec.data.sources.synthetic import Synthetic, generate
from jaxrec.data.splits import LeaveOneOut, Split
from jaxrec.errors import InputError
from jaxrec.evaluate import make_evaluator
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.objectives import Bpr
from jaxrec.optimizer import Adagrad
from jaxrec.performance import cache_compilations
from jaxrec.workdir import provenance, write_json

BATCH = 8192
STEPS = 200
ASKING = 2_000
"""Users that an evaluation asks for."""


def table_rows(rows: int) -> dict[str, float]:
    """Seconds of a step on tables of so many rows in all, of which a batch touches few."""
    random = np.random.default_rng(0)
    sizes = rows // 2, rows // 2
    user, item = (random.integers(1, size + 1, 2_000_000).astype(np.int32) for size in sizes)
    return _steps(Trainer(_bpr(), _prepared(user, item, sizes)), STEPS)


def events(number: int) -> dict[str, float]:
    """Seconds of an epoch over so many synthetic events."""
    user, item, sizes = _events(number)
    trainer = Trainer(_bpr(), _prepared(user, item, sizes))
    return _steps(trainer, trainer.plan.batches.steps_per_epoch, of_all=True)


def catalogue(items: int) -> dict[str, float]:
    """Seconds to rank so many items for 2,000 users."""
    random = np.random.default_rng(0)
    user = np.repeat(np.arange(1, ASKING + 1, dtype=np.int32), 20)
    item = random.integers(1, items + 1, len(user)).astype(np.int32)
    prepared = _prepared(user, item, (ASKING, items), LeaveOneOut())
    trainer = Trainer(_bpr(), prepared)
    protocol = Protocol(metrics=("ndcg@10",), monitor="ndcg@10", resamples=0)
    evaluate = make_evaluator(trainer.plan.scorer, prepared, "test", protocol)
    return _timed(lambda: evaluate(trainer.state.variables()))


def sequence_length(length: int) -> dict[str, float]:
    """Seconds of SASRec for a million positions, and a step's share of the matmul rate."""
    make("ml1m")
    prepared = prepared_of("ml1m")
    assert prepared is not None
    rows = max(12_800 // length, 1)
    config = sasrec_of(SASREC | {"length": length}, PackedSequences(rows, length))
    trainer = Trainer(config, prepared)
    steps = max(min(trainer.plan.batches.steps_per_epoch, 25), 1)
    found = _steps(trainer, steps)
    share = trainer.matmul_seconds() / found["seconds"]
    return {"seconds": found["seconds"] / (rows * length) * 1e6, "matmul_share": share}


@dataclass(frozen=True)
class Curve:
    """What grows, at which sizes, and what is measured there."""

    point: Callable[[int], dict[str, float]]
    sizes: tuple[int, ...]
    along: str
    unit: str


CURVES = {
    "table_rows": Curve(
        table_rows,
        (100_000, 300_000, 1_000_000, 3_000_000, 10_000_000),
        "rows of the tables (MF-BPR, d 64, batch 8,192)",
        "seconds a step",
    ),
    "events": Curve(
        events,
        (1_000_000, 3_000_000, 10_000_000, 30_000_000, 100_000_000),
        "events (MF-BPR, d 64, batch 8,192)",
        "seconds an epoch",
    ),
    "catalogue": Curve(
        catalogue,
        (3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000),
        "items (MF, d 64)",
        "seconds to rank for 2,000 users",
    ),
    "sequence_length": Curve(
        sequence_length,
        (50, 100, 200, 400, 800),
        "length of packed rows (SASRec on ML-1M, d 64, full softmax)",
        "seconds a million positions",
    ),
}


def run(bench: Bench, names: list[str]) -> bool:
    """Measure the curves, each point in a process of its own; tell whether one failed."""
    failed = False
    for name in names:
        for size in CURVES[name].sizes:
            print(f"== {name} at {size:,}", flush=True)
            command = [sys.executable, "-m", "benchmarks.scale", name, str(size)]
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            if done.returncode:
                print(f"not run: exit code {done.returncode}, see above", flush=True)
                failed = True
                continue
            found = json.loads(done.stdout.splitlines()[-1])
            print("  ".join(f"{k} {v:.4g}" for k, v in found.items()), flush=True)
            keep(bench, {"curve": name, "size": size, **found, **_where()})
    return failed


def keep(bench: Bench, point: dict[str, Any]) -> None:
    """Put the point in the place of its former one."""
    path = bench.folder / "results" / "scale.json"
    old = json.loads(path.read_text()) if path.exists() else []
    by_place = {(x["curve"], x["size"]): x for x in [*old, point]}
    places = [(name, size) for name, curve in CURVES.items() for size in curve.sizes]
    write_json(path, [by_place[place] for place in places if place in by_place])


def exponent(sizes: list[float], values: list[float]) -> float:
    """Fit values to a power of sizes, by least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def _where() -> dict[str, Any]:
    found = provenance()
    commit = (found["commit"] or "").rstrip("+") or None
    return {"machine": machine(found["cores"]), "commit": commit, "dirty": dirty()}


def _bpr() -> Config:
    optimizer = Adagrad(learning_rate=0.1, tables="rows")
    return Config(
        DataConfig(), MatrixFactorizationConfig(64), Bpr(), Pairs(BATCH), optimizer=optimizer
    )


def _steps(trainer: Trainer, steps: int, of_all: bool = False) -> dict[str, float]:
    """Time a call of so many steps, after a short one; of_all: all of them, not one."""
    trainer.train(2)
    found = _timed(lambda: trainer.train(steps), repeats=1 if of_all else 3, warm=False)
    return found if of_all else {"seconds": found["seconds"] / steps}


def _timed(once: Callable[[], Any], repeats: int = 3, warm: bool = True) -> dict[str, float]:
    """Give the least of the repeats' seconds, the first call not counted if it warms up."""
    seconds = []
    for _ in range(repeats + warm):
        began = time.perf_counter()
        once()
        seconds.append(time.perf_counter() - began)
    return {"seconds": min(seconds[warm:])}


def _events(number: int) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
    """Draw the events once, in a process of their own, whose memory is not the trainer's."""
    path = RUNS / "scale" / f"events_{number}.npz"
    if not path.exists():
        command = [sys.executable, "-m", "benchmarks.scale", "draw", str(number)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
    with np.load(path) as arrays:
        return arrays["user"], arrays["item"], (int(arrays["users"]), int(arrays["items"]))


def draw(number: int) -> dict[str, float]:
    """Write synthetic events to a file."""
    config = Synthetic(number // 100, 20_000, number, ratings=False)
    found = generate(config).interactions
    path = RUNS / "scale" / f"events_{number}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = {"users": config.num_users, "items": config.num_items}
    np.savez(path, user=found.user, item=found.item, **sizes)
    return {}


def _prepared(
    user: np.ndarray, item: np.ndarray, sizes: tuple[int, int], split: LeaveOneOut | None = None
) -> Prepared:
    """Lay out events as a data set; without a split all of them are for training."""
    order = np.argsort(user, kind="stable")
    users, items = (Vocabulary(np.arange(1, size + 1)) for size in sizes)
    ones, rows = np.ones(len(user), np.float32), np.arange(len(user))
    found = Interactions(
        users, items, user[order], item[order], ones, rows.astype(np.float64), rows, order="time"
    )
    none = found.take(rows[:0])
    parts = Split(found, none, none) if split is None else split(found, 0)
    return Prepared(Dataset("events", found), parts, (), (), {}, {}, [])


def main() -> None:
    """Measure one point: CURVE SIZE."""
    name, size = sys.argv[1], int(sys.argv[2])
    if name == "draw":
        draw(size)
        return
    cache_compilations()
    if name not in CURVES:
        raise InputError(f"No curve is named {name!r}; there are {', '.join(CURVES)}.")
    found = CURVES[name].point(size)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({**found, "peak_gib": peak}))


if __name__ == "__main__":
    main()
