"""jaxrec's side of benchmarks/throughput.py: does a work of works.py each time it is told.

python -m benchmarks.ours WORK FOLDER OUT.npz        (throughput.py starts it)
"""

import importlib.metadata
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.inputs import prepared_of
from benchmarks.ours import answers, baselines, loading, models
from benchmarks.ours.profile import profile
from benchmarks.ours.side import Side
from benchmarks.peers.worker import serve
from benchmarks.works import WORKS, Work
from jaxrec.performance import cache_compilations

MAKERS: dict[str, Callable[[Work, Any], Side]] = {
    "ials": baselines.fit,
    "item_knn": baselines.fit,
    "ease": baselines.fit,
    "svd": baselines.ratings,
    "knn_ratings": baselines.ratings,
    "bpr": models.epochs,
    "bpr_cornac": models.epochs,
    "mf_bpr": models.epochs,
    "lightgcn": models.epochs,
    "mult_vae": models.epochs,
    "neumf": models.epochs,
    "neumf_ranking": models.ranking,
    "two_towers": models.epochs,
    "sasrec": models.epochs,
    "sasrec_position": models.positions,
    "sasrec_until": models.to_goal,
    "gru4rec": models.positions,
    "caser": models.positions,
    "bert4rec": models.positions,
    "bert4rec_rectools": models.epochs,
}
"""Works on a split."""


def side_of(work: Work, folder: Path) -> Side:
    """Make what does the work, and what answers for it, from what inputs.py laid out."""
    if work.kind in MAKERS:
        return MAKERS[work.kind](work, prepared_of(work.data))
    if work.kind == "csv":
        return loading.csv(folder)
    with np.load(folder / "arrays.npz") as arrays:
        if work.kind == "search":
            return answers.search(work, dict(arrays))
        return answers.top_100(work, prepared_of(work.data), dict(arrays))


def main() -> None:
    """Serve the work that is named, on the data in the folder."""
    cache_compilations()
    name, folder, out = sys.argv[1:]
    work = next(work for work in WORKS if work.name == name)
    side = side_of(work, Path(folder))
    version = importlib.metadata.version("jaxrec")
    serve(side.once, side.answers, Path(out), version, lambda _: profile(side))


if __name__ == "__main__":
    main()
