"""What the study of sparsity compares: methods, at points between all events, few, and noise."""

import dataclasses
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.corruption import in_parts, never_met, noisy, thinned
from benchmarks.rows import ROOT, Bench
from jaxrec import config as configs
from jaxrec.config import Config, load_config
from jaxrec.data.interactions import Dataset
from jaxrec.data.prepare import DataConfig, load
from jaxrec.data.splits import Given
from jaxrec.errors import InputError
from jaxrec.metrics.protocol import Protocol

DATA = DataConfig(path="ml-1m", split=Given())
PROTOCOL = Protocol(metrics=("ndcg@10", "hit_rate@10"), monitor="ndcg@10", candidates="lists")
"""The lists are all items that the user never meets. What was taken away is in none of them, though
nothing knows of it, so all points rank the same items."""
SEED = 0
"""Of the events that are drawn, and of the runs."""
PATIENCE = 5
"""Validations without a better NDCG, after which training stops."""


@dataclass(frozen=True)
class Method:
    """A config, and what of it the study changes.

    epochs: at full data; elsewhere as many more or fewer as make about as many steps. None: fitted.
    eval_every: steps between validations. by_user: an example is a user, so that an epoch has as
    many steps at every point.
    """

    title: str
    config: str
    epochs: int | None = None
    eval_every: int | None = None
    overrides: tuple[str, ...] = ()
    by_user: bool = False


METHODS = {
    "popularity": Method("Popularity", "ml1m_popularity"),
    "item_knn": Method("ItemKNN", "ml1m_item_knn"),
    "ease": Method("EASE", "ml1m_ease"),
    "ials": Method("iALS", "ml1m_ials"),
    "mf": Method("MF, BPR", "ml1m_ultragcn_mf", 30, 400),
    "lightgcn": Method(
        "LightGCN",
        "ml1m_ultragcn_lightgcn",
        6,
        20,
        ("--batches.batch-size", "32768", "--optimizer.learning-rate", "2e-2"),
    ),
    "mult_vae": Method("Mult-VAE", "ml1m_ratings_mult_vae", 30, 48, by_user=True),
    "sasrec": Method(
        "SASRec",
        "ml1m_sasrec_plus",
        6,
        204,
        ("--batches.batch-size", "16", "--optimizer.learning-rate", "2e-3"),
    ),
}


@dataclass(frozen=True)
class Point:
    """How much of each user's training events is kept, or how much of them is noise then."""

    kept: float = 1.0
    noise: float = 0.0

    @property
    def name(self) -> str:
        if self == FULL:
            return "full"
        return f"noise_{self.noise:g}" if self.noise else f"kept_{self.kept:g}"

    @property
    def size(self) -> float:
        """Training events over those of the full data."""
        return self.kept / (1 - self.noise)


FULL = Point()
KEPT = (FULL, *(Point(kept=share) for share in (0.5, 0.2, 0.1, 0.05)))
NOISE = (FULL, *(Point(noise=share) for share in (0.1, 0.2, 0.3, 0.5)))
POINTS = (*KEPT, *NOISE[1:])


def config_of(method: Method, point: Point) -> Config:
    """Load the method's config and change what the study does; InputError if there is none yet."""
    config = _loaded(method.config, method.overrides)
    train = config.train
    if method.epochs is not None:
        size = 1 if method.by_user else point.size
        train = dataclasses.replace(
            config.train,
            epochs=max(round(method.epochs / size), 1),
            eval_every=method.eval_every,
            patience=PATIENCE,
        )
    return dataclasses.replace(config, data=DATA, protocol=PROTOCOL, train=train, seed=SEED)


@functools.cache
def _loaded(name: str, overrides: tuple[str, ...]) -> Config:
    path = ROOT / "configs" / f"{name}.py"
    if not path.is_file():
        raise InputError(f"there is no config {name} yet")
    return load_config(str(path), overrides)


def dataset_at(point: Point) -> Dataset:
    """Read the events, and thin them out or add noise; tables of side information are left out."""
    source = load(DATA)
    events = in_parts(source.interactions)
    candidates = never_met(events)
    if point.kept < 1:
        events = thinned(events, point.kept, SEED)
    if point.noise:
        events = noisy(events, point.noise, SEED)
    about = {"sha256": source.sha256, "licence": source.licence}
    return Dataset(source.name, events, candidates=candidates, **about)


# Results ------------------------------------------------------------------------------------------


def path_of(bench: Bench, name: str) -> Path:
    """Say where a method's results are written."""
    return bench.folder / "results" / "sparsity" / f"{name}.json"


def read(bench: Bench, name: str) -> dict[str, dict[str, Any]]:
    """Read a method's results by their points' names."""
    path = path_of(bench, name)
    return {x["point"]: x for x in json.loads(path.read_text())} if path.exists() else {}


def valid(bench: Bench, name: str) -> dict[str, dict[str, Any]]:
    """Read what a method gave by its present config; what another config gave has not run."""
    points = {point.name: point for point in POINTS}
    found = {}
    for where, result in read(bench, name).items():
        try:
            same = configs.from_json(result["config"]) == config_of(METHODS[name], points[where])
        except (InputError, KeyError):
            continue
        if same:
            found[where] = result
    return found
