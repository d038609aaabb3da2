"""jaxrec and its peers at the same work, alternating, on two cores: seconds, quality, goals.

    python benchmarks/throughput.py [--only ials,top_100_gowalla] [--repeats 5]

Each side of a work is a process of its own, a peer's in the environment that peers/ builds; what it
recommends or predicts is judged by jaxrec's evaluator. The first call of both is not counted. The
results go into results/throughput.json, beside those not asked for, and the page is written anew.
"""

import argparse
import contextlib
import dataclasses
import difflib
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, ClassVar, no_type_check

import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int
from scipy import sparse

from benchmarks.ours import params_for_peer
from benchmarks.page import write
from benchmarks.peers.environments import HERE as PEERS
from benchmarks.peers.environments import python_of
from benchmarks.rows import HERE, ROOT, Bench, dirty
from benchmarks.works import WORKS, Work
from jaxrec.data import store
from jaxrec.data.prepare import DataConfig, Prepared, load, prepare
from jaxrec.data.splits import Given, KFold, LeaveOneOut
from jaxrec.errors import InputError
from jaxrec.evaluate import evaluate
from jaxrec.metrics.protocol import Protocol
from jaxrec.retrieval import baseline_scorer
from jaxrec.typing import Batch
from jaxrec.workdir import provenance, write_json

CORES = 2
RUNS = ROOT / "runs" / "throughput"
DATA = {
    "ml1m": DataConfig(path="sasrec-ml-1m", split=LeaveOneOut()),
    "gowalla": DataConfig(path="gowalla", split=Given()),
    "ml100k": DataConfig(path="ml-100k", split=KFold(5, fold=0)),
}
FACTORS = 64
ENVIRONMENT = {"implicit": {"OPENBLAS_NUM_THREADS": "1"}}
"""implicit has threads of its own, and asks for BLAS to have one."""


def main() -> int:
    """Measure the works that are asked for, one after the other."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--only", help="names of works, or their beginnings, with commas between")
    parser.add_argument("--repeats", type=int, default=5, help="times that each side is timed")
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    try:
        works = chosen(arguments.only)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    bench = Bench(HERE)
    for work in works:
        print(f"== {work.name}, against {work.peer}", flush=True)
        try:
            row = measure(work, max(arguments.repeats, 1))
        except InputError as error:
            print(f"not run: {error}")
            continue
        print("  ".join(f"{k} {v:.4g}" for k, v in row.items() if isinstance(v, float)), flush=True)
        keep(bench, row)
    write(bench)
    return 0


def chosen(only: str | None) -> list[Work]:
    """Find works by their names or how these begin; an unknown one is an InputError."""
    if only is None:
        return list(WORKS)
    names = [work.name for work in WORKS]
    for start in only.split(","):
        if not any(name.startswith(start) for name in names):
            near = difflib.get_close_matches(start, names, n=1, cutoff=0)
            raise InputError(f"No work is named {start!r}; the nearest is {near[0]}.")
    return [work for work in WORKS if work.name.startswith(tuple(only.split(",")))]


def keep(bench: Bench, row: dict[str, Any]) -> None:
    """Put the row in the place of its former one."""
    path = bench.folder / "results" / "throughput.json"
    rows = json.loads(path.read_text()) if path.exists() else []
    by_name = {row["work"]: row for row in [*rows, row]}
    write_json(path, [by_name[work.name] for work in WORKS if work.name in by_name])


def measure(work: Work, repeats: int) -> dict[str, Any]:
    """Time both sides in turn, and judge what they give."""
    prepared = data_of(work.data)
    params, folder = params_for_peer(work, prepared), RUNS / work.data
    outs = {who: RUNS / f"{work.name}-{who}.npz" for who in ("ours", "peer")}
    script = str(PEERS / f"{work.peer}_peer.py")
    commands = {
        "ours": [
            sys.executable,
            "-m",
            "benchmarks.ours",
            work.name,
            str(folder),
            str(outs["ours"]),
        ],
        "peer": [
            str(python_of(work.peer)),
            "-W",
            "ignore",
            script,
            work.kind,
            str(folder / "data.npz"),
        ]
        + [str(outs["peer"]), json.dumps(params)],
    }
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    with worker(commands["ours"]) as ours, worker(commands["peer"], work.peer) as peer:
        for repeat in range(1 + repeats):
            sides = [("ours", ours), ("peer", peer)]
            for who, side in sides if repeat % 2 else sides[::-1]:
                seconds[who].append(side.once())
    first, per = seconds["ours"][0], work.params.get("epochs", 1)
    medians = {who: statistics.median(found[1:]) / per for who, found in seconds.items()}
    qualities = {who: judge(work, prepared, out) for who, out in outs.items()}
    machine = provenance()
    return {
        "work": work.name,
        "kind": work.kind,
        "peer": work.peer,
        "peer_version": peer.version,
        "ours_seconds": medians["ours"],
        "peer_seconds": medians["peer"],
        "ratio": medians["peer"] / medians["ours"],
        "goal": Bench(HERE).targets()["throughput"]["goals"][work.kind],
        "quality": work.quality,
        "quality_ours": qualities["ours"],
        "quality_peer": qualities["peer"],
        "first_seconds": first / per,
        "repeats": repeats,
        "all_seconds": {who: [x / per for x in found[1:]] for who, found in seconds.items()},
        "params": params,
        "note": work.note,
        "machine": f"{processor()}, {CORES} of {machine['cores']} cores",
        "versions": machine["versions"],
        "commit": (machine["commit"] or "").rstrip("+") or None,
        "dirty": dirty(),
    }


# Data and judgement. ------------------------------------------------------------------------------


def data_of(name: str) -> Prepared:
    """Read a data set once, and lay it out for both sides: the peers' ids are rows less one."""
    folder = RUNS / name
    if (folder / "data.npz").exists():
        return store.load(folder / "dataset")
    prepared = prepare(load(DATA[name]), DATA[name], seed=0)
    store.save(prepared, folder / "dataset")
    train, test = prepared.split.train, prepared.split.test
    arrays = {
        f"{prefix}{column}": getattr(part, column) - (column != "value")
        for prefix, part in (("", train), ("test_", test))
        for column in ("user", "item", "value")
    }
    shape = len(train.users), len(train.items)
    known = sparse.csr_array((np.ones(len(train)), (arrays["user"], arrays["item"])), shape)
    known.data[:] = 1
    start = np.random.default_rng(0).normal(size=min(shape))
    user, values, item = sparse.linalg.svds(known, FACTORS, v0=start)
    np.savez(
        folder / "data.npz",
        num_users=shape[0],
        num_items=shape[1],
        user_factors=(user * values).astype(np.float32),
        item_factors=item.T.astype(np.float32),
        **arrays,
    )
    return prepared


@struct.dataclass
@no_type_check
class Listed:
    """Lists of items as a baseline's state: the earlier an item stands, the higher its score."""

    items: Int[Array, "users_plus_1 k"]

    def scores(
        self, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        """Score the catalogue; what is not listed, 0."""
        listed = self.items[batch.user]
        users = jnp.arange(listed.shape[0])[:, None]
        worth = jnp.arange(listed.shape[1], 0, -1, dtype=jnp.float32)[None, :]
        scores = jnp.zeros((listed.shape[0], batch.catalogue.counts.shape[0]), jnp.float32)
        scores = scores.at[users, listed].max(worth)
        return scores if items is None else jnp.take_along_axis(scores, items, 1)


@dataclasses.dataclass(frozen=True)
class ListedConfig:
    """What the evaluator asks of a baseline."""

    history_length: ClassVar[int] = 0
    state: ClassVar[type] = Listed


def judge(work: Work, prepared: Prepared, out: Path) -> float:
    """Give the quality of what a side wrote: lists for every user, predictions, or its error."""
    with np.load(out) as found:
        if "rmse" in found:
            return float(found["rmse"])
        if "predictions" in found:
            error = found["predictions"] - prepared.split.test.value
            return float(np.sqrt(np.mean(np.square(error))))
        lists = np.pad(found["lists"].astype(np.int32), ((1, 0), (0, 0)))
    protocol = Protocol(metrics=(work.quality,), monitor=work.quality, resamples=0)
    scorer = baseline_scorer(ListedConfig())
    result = evaluate(scorer, Listed(jnp.asarray(lists)), prepared, "test", protocol)
    return result.metrics[work.quality]


# Processes. ---------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Side:
    """A worker that waits to be told."""

    told: IO[str]
    says: IO[str]
    version: str

    def once(self) -> float:
        """Have the work done once; return its seconds."""
        print("go", file=self.told, flush=True)
        return float(_line(self.says))


@contextlib.contextmanager
def worker(command: list[str], peer: str = "") -> Iterator[Side]:
    """Start one side; at the end it writes its answers, and is waited for."""
    environment = {**os.environ, **ENVIRONMENT.get(peer, {})}
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        version = json.loads(_line(process.stdout))["version"]
        yield Side(process.stdin, process.stdout, version)
        process.stdin.close()
    if process.returncode:
        raise InputError(f"{command[1]} ended with exit code {process.returncode}, see above")


def _line(says: IO[str]) -> str:
    line = says.readline()
    if not line:
        raise InputError("a worker ended early, see above")
    return line


def processor() -> str:
    """Name the processor, as Linux does where it does."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
