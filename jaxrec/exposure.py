"""What a finished run recommends when its test is asked: how popular, how varied, how evenly."""

from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxrec.data.histories import longest, positives, window
from jaxrec.data.resident import question, resident
from jaxrec.data.splits import known
from jaxrec.metrics import beyond_accuracy
from jaxrec.retrieval import reads_times, top_k
from jaxrec.run import Run, Say, load_run

TIERS = ("most popular third", "middle third", "long tail")
"""The fewest items that draw a third of the training events, those up to two, all others."""
MOST_USERS = 5_000
"""More users than these are sampled: enough for shares that two digits are printed of."""


@dataclass(frozen=True, eq=False)
class Exposure:
    """Of the first k places, over users: means, shares of TIERS, and Lorenz curves over the items.

    lorenz: entry i is the share of the i least recommended items; trained_on the same of training.
    """

    k: int
    users: int
    means: dict[str, float]
    tiers: np.ndarray
    tier_sizes: np.ndarray
    lorenz: np.ndarray
    trained_on: np.ndarray


def measure(workdir: Path, k: int, say: Say = print) -> Exposure:
    """Open a run, let it recommend to the users of its test part, and look at what that is."""
    run = load_run(workdir, say)
    users = np.unique(run.prepared.split.test.user)
    if len(users) > MOST_USERS:
        users = np.sort(np.random.default_rng(0).choice(users, MOST_USERS, replace=False))
    return describe(run, recommended(run, users, min(k, len(run.fitted_on.items))))


def recommended(run: Run, users: np.ndarray, k: int) -> np.ndarray:
    """Give each user's best k items, as rows, as the test asks for them."""
    events = known(run.prepared.split, "test")
    data = resident(run.prepared, run.fitted_on, reads_times(run.scorer)).knowing(events)
    length = run.scorer.history_length
    length = longest(data.histories) if length is None else length
    batch = question(data, jnp.asarray(users), length)
    seen = None
    if run.config.protocol.seen != "keep":
        sets = jax.device_put(positives(events))
        seen = window(sets, jnp.asarray(users), max(longest(sets), 1))[0]
    items, _ = top_k(run.scorer, run.variables, batch, k, exclude=seen)
    return np.asarray(items)


def describe(run: Run, items: np.ndarray) -> Exposure:
    """Measure recommended lists against the events that the run was fitted on."""
    train = run.fitted_on
    num_items = len(train.items)
    counts = np.bincount(train.item, minlength=num_items + 1)
    sets = positives(train)
    known_by = np.bincount(np.asarray(sets.indices), minlength=num_items + 1)
    shown = beyond_accuracy.exposure(items, num_items)
    tier = tiers(counts[1:])
    return Exposure(
        k=items.shape[1],
        users=len(items),
        means={
            "coverage": beyond_accuracy.coverage(shown),
            "gini": beyond_accuracy.gini(shown),
            "novelty": float(beyond_accuracy.novelty(items, known_by, len(train.users)).mean()),
            "popularity": float(beyond_accuracy.popularity(items, counts).mean()),
            "diversity": float(beyond_accuracy.diversity(items, sets, num_items).mean()),
        },
        tiers=np.bincount(tier, shown, minlength=len(TIERS)) / max(shown.sum(), 1),
        tier_sizes=np.bincount(tier, minlength=len(TIERS)),
        lorenz=lorenz(shown),
        trained_on=lorenz(counts[1:]),
    )


def tiers(counts: np.ndarray) -> np.ndarray:
    """Number each item's tier; an item belongs where the middle of its own events lies."""
    order = np.argsort(-counts, kind="stable")
    total = max(counts.sum(), 1)
    middle = (np.cumsum(counts[order]) - counts[order] / 2) / total
    tier = np.empty(len(counts), np.int64)
    tier[order] = np.minimum(np.floor(middle * len(TIERS)), len(TIERS) - 1)
    return tier


def lorenz(counts: np.ndarray) -> np.ndarray:
    """Accumulate counts from the smallest on, as shares of their sum; the first entry is 0."""
    total = np.concatenate([[0], np.cumsum(np.sort(counts))])
    return total / max(total[-1], 1)
