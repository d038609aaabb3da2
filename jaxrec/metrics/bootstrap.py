"""How sure a metric is: bootstrap intervals over users, and paired tests between two runs.

Everything here is a mean over users. A ratio of sums over users, such as a mean over events or an
RMSE, is made one by `linearised`: the delta method's value of each user, whose mean is the ratio.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

FLIPS_AT_ONCE = 2**18
"""Signs drawn at once in `paired_test`: so few that they stay in the cache."""


def intervals(
    values: dict[str, np.ndarray], *, confidence: float = 0.95, resamples: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Give the percentile bootstrap interval of each mean; the users drawn are shared by all.

    values: by name, one entry a user. Without users or resamples there are no intervals.
    """
    table = _table(values)
    if not table.size or not resamples:
        return {}
    means = _resampled_means(table, resamples, seed)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, (tail, 1 - tail), axis=0)
    return {name: (float(a), float(b)) for name, a, b in zip(values, low, high, strict=True)}


class Paired(NamedTuple):
    """A difference of means over the same users, its interval, and the chance of it by luck."""

    difference: float
    low: float
    high: float
    p_value: float


def paired_test(
    first: np.ndarray,
    second: np.ndarray,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Paired:
    """Compare first - second, entry by entry: bootstrap interval, and two-sided sign-flip p-value.

    Under the null hypothesis each user's difference may as well have the other sign. The p-value is
    at least 1 / (resamples + 1).
    """
    differences = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    observed = float(differences.mean())
    means = _resampled_means(differences[:, None], resamples, seed)[:, 0]
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, (tail, 1 - tail))
    flipped = _flipped_means(differences, resamples, np.random.default_rng(seed))
    # A sum in another order may differ in its last digits from one that equals it.
    as_large = np.abs(flipped) >= abs(observed) * (1 - 1e-9)
    p_value = (1 + int(as_large.sum())) / (1 + resamples)
    return Paired(observed, float(low), float(high), p_value)


def linearised(sums: np.ndarray, counts: np.ndarray, *, root: bool = False) -> np.ndarray:
    """Give one value a user whose mean is sum(sums) / sum(counts), or the root of it.

    Where all counts are 1 and there is no root, these are the sums themselves.
    """
    mean_count = counts.mean()
    ratio = sums.sum() / max(counts.sum(), 1)
    if mean_count == 0 or (root and ratio == 0):
        return np.zeros(len(sums))
    deviations = (sums - ratio * counts) / mean_count
    if root:
        return np.sqrt(ratio) + deviations / (2 * np.sqrt(ratio))
    return ratio + deviations


def resampled(users: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Draw as many users as there are, with replacement; give how often each was drawn."""
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(rng.integers(0, users, users, np.int32), minlength=users)


def _table(values: dict[str, np.ndarray]) -> np.ndarray:
    if not values:
        return np.zeros((0, 0))
    return np.stack([np.asarray(column, np.float64) for column in values.values()], axis=1)


def _resampled_means(table: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    draws = resampled(len(table), resamples, seed)
    columns = np.ascontiguousarray(table.T)
    # Threads of a BLAS would take longer to wake than such a product takes.
    return np.stack([(columns * drawn).sum(1) for drawn in draws]) / len(table)


def _flipped_means(differences: np.ndarray, resamples: int, rng: np.random.Generator) -> np.ndarray:
    users = len(differences)
    total = differences.sum()
    means = np.empty(resamples)
    rows = max(1, FLIPS_AT_ONCE // max(users, 1))
    # One buffer for all: fresh pages for each block of signs would cost more than the product.
    flips = np.empty((rows, users))
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        bits = np.frombuffer(rng.bytes(size * -(-users // 8)), np.uint8).reshape(size, -1)
        np.copyto(flips[:size], np.unpackbits(bits, axis=1, count=users))
        means[start : start + size] = (total - 2 * flips[:size] @ differences) / users
    return means
