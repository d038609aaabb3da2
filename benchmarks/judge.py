"""What a side of a work wrote, judged by jaxrec's evaluator; a search, by an exact one."""

import dataclasses
from pathlib import Path
from typing import ClassVar, no_type_check

import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from benchmarks.inputs import prepared_of
from benchmarks.works import Work
from jaxrec.evaluate import evaluate
from jaxrec.metrics.protocol import Protocol
from jaxrec.retrieval import baseline_scorer
from jaxrec.typing import Batch

SEARCHED = 200
"""Users whose lists of a search are compared with an exact one."""


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


def judge(work: Work, folder: Path, out: Path) -> float | None:
    """Give the quality of what a side wrote: lists for every user, predictions, or its error.

    None where the work has no quality.
    """
    if work.quality is None:
        return None
    with np.load(out) as found:
        if work.quality == "exact":
            return exact(found["lists"], folder)
        prepared = prepared_of(work.data)
        assert prepared is not None
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


def exact(lists: np.ndarray, folder: Path) -> float:
    """Give the share of the lists that is among the best items, for some of the users."""
    with np.load(folder / "arrays.npz") as arrays:
        scores = arrays["user_factors"][:SEARCHED] @ arrays["item_factors"].T
    k = lists.shape[1]
    best = np.argpartition(-scores, k, axis=1)[:, :k] + 1
    return float(np.mean([np.isin(a, b).mean() for a, b in zip(lists[:SEARCHED], best)]))
