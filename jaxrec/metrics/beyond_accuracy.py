"""What a recommender shows, apart from being right: how much of the catalogue, how new, how varied.

In every function `recommended` holds the first k items of each list, as rows, 0 where a list is
shorter; `counts` the number of training events, or of training users, of each item (row 0: none).
"""

from statistics import NormalDist

import numpy as np

from jaxrec.metrics.bootstrap import resampled
from jaxrec.metrics.protocol import Metric, Protocol
from jaxrec.metrics.questions import Questions
from jaxrec.typing import CSR, Catalogue

MOST_RESAMPLES = 200
"""Of all lists together: a standard deviation needs fewer than percentiles do."""
BYTES_AT_ONCE = 2**21
"""Sets compared at once in `diversity`: so few that they stay in the cache."""
USERS_AT_ONCE = 2**17
"""Users whose sets are held as bits at once in `diversity`, 16 KiB for each recommended item."""


def coverage(exposure: np.ndarray) -> float:
    """Give the share of the catalogue that is recommended to somebody."""
    return float(np.count_nonzero(exposure) / max(len(exposure), 1))


def gini(exposure: np.ndarray) -> float:
    """Give the Gini index of how often items are recommended: 0 all alike, near 1 ever the same."""
    number, total = len(exposure), exposure.sum()
    if total == 0:
        return 0.0
    weight = 2 * np.arange(1, number + 1) - number - 1
    return float(weight @ np.sort(exposure) / (number * total))


def exposure(
    recommended: np.ndarray, num_items: int, drawn: np.ndarray | None = None
) -> np.ndarray:
    """Count how often each item 1..num_items is recommended; drawn: how often each list counts."""
    weights = None if drawn is None else np.repeat(drawn, recommended.shape[1])
    return np.bincount(recommended.ravel(), weights, num_items + 1)[1:]


def novelty(recommended: np.ndarray, counts: np.ndarray, num_users: int) -> np.ndarray:
    """Give each list's mean self-information, -log2 of the share of users who know an item.

    counts: training users of each item; an item that nobody knows counts as known by one.
    """
    information = -np.log2(np.clip(counts, 1, None) / max(num_users, 1))
    return _mean_of_list(recommended, information)


def popularity(recommended: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Give the mean number of training events of each list's items."""
    return _mean_of_list(recommended, counts)


def popularity_bias(
    recommended: np.ndarray, counts: np.ndarray, questions: Questions
) -> np.ndarray:
    """Divide each list's `popularity` by that of the user's known items: above 1, it is amplified.

    A question without known items counts 0.
    """
    before = np.concatenate([[0.0], np.cumsum(counts[questions.items], dtype=np.float64)])
    total = before[questions.stop] - before[questions.start]
    own = total / np.maximum(questions.stop - questions.start, 1)
    return popularity(recommended, counts) / np.where(own > 0, own, 1) * (own > 0)


def diversity(recommended: np.ndarray, positives: CSR, num_items: int) -> np.ndarray:
    """Give 1 - the mean cosine of the pairs of items in each list (intra-list diversity).

    An item is the set of its training users, so the cosine is |both| / sqrt(|one| |other|).
    positives: the distinct items of each user. A list of fewer than two items counts 0.
    """
    recommended = np.asarray(recommended)
    first, second = np.triu_indices(recommended.shape[1], 1)
    low = np.minimum(recommended[:, first], recommended[:, second]).astype(np.int64)
    high = np.maximum(recommended[:, first], recommended[:, second]).astype(np.int64)
    pairs, place = np.unique(low * (num_items + 1) + high, return_inverse=True)
    low_items, high_items = np.divmod(pairs, num_items + 1)
    counts = np.bincount(np.asarray(positives.indices), minlength=num_items + 1)
    both = _common_users(low_items, high_items, positives, num_items)
    cosine = both / np.sqrt(np.maximum(counts[low_items] * counts[high_items], 1))
    where = low > 0
    cosines = np.where(where, cosine[place.reshape(low.shape)], 0)
    number = where.sum(1)
    return (1 - cosines.sum(1) / np.maximum(number, 1)) * (number > 0)


def _common_users(low: np.ndarray, high: np.ndarray, positives: CSR, num_items: int) -> np.ndarray:
    """Count the users that both items of each pair have, by the bits that their sets share."""
    indptr, items = np.asarray(positives.indptr), np.asarray(positives.indices)
    used = np.unique(np.concatenate([low, high]))
    used = used[used > 0]
    row_of = np.zeros(num_items + 1, np.int64)
    row_of[used] = np.arange(1, len(used) + 1)
    common = np.zeros(len(low), np.int64)
    for start in range(0, len(indptr) - 1, USERS_AT_ONCE):
        stop = min(start + USERS_AT_ONCE, len(indptr) - 1)
        user = np.repeat(np.arange(stop - start), np.diff(indptr[start : stop + 1]))
        rows = row_of[items[indptr[start] : indptr[stop]]]
        bits = np.zeros((len(used) + 1, -(-(stop - start) // 64) * 8), np.uint8)
        np.bitwise_or.at(bits, (rows, user // 8), (1 << (user % 8)).astype(np.uint8))
        bits[0] = 0
        words = bits.view(np.uint64)
        step = max(BYTES_AT_ONCE // bits.shape[1], 1)
        for at in range(0, len(low), step):
            some = slice(at, at + step)
            shared = words[row_of[low[some]]] & words[row_of[high[some]]]
            common[some] += np.bitwise_count(shared).sum(1, dtype=np.int64)
    return common


def _mean_of_list(recommended: np.ndarray, values: np.ndarray) -> np.ndarray:
    where = np.asarray(recommended) > 0
    total = np.where(where, values[recommended], 0).sum(1)
    return total / np.maximum(where.sum(1), 1)


# What the evaluator asks for. ---------------------------------------------------------------------


def list_measures(
    wanted: dict[str, Metric],
    recommended: np.ndarray,
    catalogue: Catalogue,
    questions: Questions,
) -> dict[str, np.ndarray]:
    """Give each list's value of the wanted metrics that lists have one by one."""
    events, sets = np.asarray(catalogue.counts), catalogue.positives
    num_items, num_users = len(events) - 1, sets.indptr.shape[0] - 2

    def known_by() -> np.ndarray:
        return np.bincount(np.asarray(sets.indices), minlength=num_items + 1)

    measures = {
        "novelty": lambda lists: novelty(lists, known_by(), num_users),
        "popularity": lambda lists: popularity(lists, events),
        "popularity_bias": lambda lists: popularity_bias(lists, events, questions),
        "diversity": lambda lists: diversity(lists, sets, num_items),
    }
    return {
        name: measures[metric.kind](recommended[:, : metric.k])
        for name, metric in wanted.items()
        if metric.kind in measures
    }


def exposure_measures(
    wanted: dict[str, Metric],
    recommended: np.ndarray,
    num_items: int,
    protocol: Protocol,
    seed: int,
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Give the wanted metrics that only all lists together have, and their intervals.

    The interval is the value ± z standard deviations over resampled lists; percentiles would lie
    below the value, as a resample holds fewer distinct lists.
    """
    measures = {"coverage": coverage, "gini": gini}
    values: dict[str, float] = {}
    found: dict[str, tuple[float, float]] = {}
    z = NormalDist().inv_cdf(0.5 + protocol.confidence / 2)
    for name, metric in wanted.items():
        if metric.kind not in measures:
            continue
        measure, lists = measures[metric.kind], recommended[:, : metric.k]
        values[name] = measure(exposure(lists, num_items))
        draws = resampled(len(lists), min(protocol.resamples, MOST_RESAMPLES), seed)
        again = [measure(exposure(lists, num_items, drawn)) for drawn in draws]
        if again:
            spread = z * float(np.std(again))
            found[name] = (max(values[name] - spread, 0.0), min(values[name] + spread, 1.0))
    return values, found
