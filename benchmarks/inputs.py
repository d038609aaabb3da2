"""What both sides of a work are given: data sets, read once and laid out as arrays."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from benchmarks.data import write_csv
from benchmarks.rows import ROOT
from benchmarks.works import EVENTS
from jaxrec.data import store
from jaxrec.data.prepare import DataConfig, Prepared, load, prepare
from jaxrec.data.sources.synthetic import Synthetic
from jaxrec.data.splits import Given, KFold, LeaveOneOut

RUNS = ROOT / "runs" / "throughput"
DATA = {
    "ml1m": DataConfig(path="sasrec-ml-1m", split=LeaveOneOut()),
    "gowalla": DataConfig(path="gowalla", split=Given()),
    "ml100k": DataConfig(path="ml-100k", split=KFold(5, fold=0)),
}
FACTORS = 64
MILLION = 1_000_000
ASKING = 10_000


def prepared_of(name: str) -> Prepared | None:
    """Open a data set that `make` has laid out; None for arrays and files that are no split."""
    return store.load(RUNS / name / "dataset") if name in DATA else None


def make(name: str) -> Path:
    """Lay out a data set for both sides, once: the folder, with arrays.npz and dataset/ in it."""
    folder = RUNS / name
    if not (folder / "arrays.npz").exists():
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"random_1m": random_factors, "20m": csv_files}.get(name, split_of)(folder)
        np.savez(folder / "partial.npz", **arrays)
        (folder / "partial.npz").rename(folder / "arrays.npz")
    return folder


def split_of(folder: Path) -> dict[str, np.ndarray]:
    """Columns of the parts of the split, and factors; the peers' ids are rows less one."""
    config = DATA[folder.name]
    prepared = prepare(load(config), config, seed=0)
    store.save(prepared, folder / "dataset")
    split = prepared.split
    parts = {"": split.train, "validation_": split.validation, "test_": split.test}
    arrays = {
        f"{prefix}{column}": getattr(part, column) - (column != "value")
        for prefix, part in parts.items()
        for column in ("user", "item", "value")
    }
    shape = len(split.train.users), len(split.train.items)
    known = sparse.csr_array((np.ones(len(split.train)), (arrays["user"], arrays["item"])), shape)
    known.data[:] = 1
    start = np.random.default_rng(0).normal(size=min(shape))
    user, values, item = sparse.linalg.svds(known, FACTORS, v0=start)
    numbers = {"num_users": np.array(shape[0]), "num_items": np.array(shape[1])}
    factors = {
        "user_factors": (user * values).astype(np.float32),
        "item_factors": item.T.astype(np.float32),
    }
    return arrays | numbers | factors


def random_factors(folder: Path) -> dict[str, np.ndarray]:
    """Vectors of a million items, and of users that ask."""
    random = np.random.default_rng(0)
    shapes = {"user_factors": (ASKING, FACTORS), "item_factors": (MILLION, FACTORS)}
    return {name: random.standard_normal(x, np.float32) for name, x in shapes.items()}


def csv_files(folder: Path) -> dict[str, np.ndarray]:
    """Files of synthetic events in random order: ours, and a shorter one in the peer's format."""
    for who, events in EVENTS.items():
        users, items = max(events // 100, 2), max(events // 1_000, 700)
        config = Synthetic(num_users=users, num_items=items, num_events=events)
        if who == "ours":
            write_csv(config, folder / "events.csv")
            continue
        with tempfile.TemporaryDirectory() as temporary:
            write_csv(config, Path(temporary, "events.csv"))
            table = pd.read_csv(Path(temporary, "events.csv"), engine="pyarrow")
        kinds = {"user": "user_id:token", "item": "item_id:token"}
        floats = {name: f"{name}:float" for name in ("rating", "timestamp")}
        (folder / "peer" / "data").mkdir(parents=True, exist_ok=True)
        path = folder / "peer" / "data" / "data.inter"
        table.rename(columns=kinds | floats).to_csv(path, sep="\t", index=False)
    return {"events": np.array(EVENTS["ours"])}
