"""Rating neighbourhoods against loops over pairs."""

import dataclasses
import itertools

import numpy as np
import pytest

from jaxrec.baselines.baseline_only import BaselineOnlyConfig
from jaxrec.baselines.rating_knn import RatingKNNConfig
from jaxrec.errors import InputError
from tests.contracts import BaselineContract
from tests.rating_data import errors_on_ml100k, matrix, predicted, random_ratings


class TestRatingKNN(BaselineContract):
    config = RatingKNNConfig(kind="baseline", k=10)
    personal = False


class TestItemRatingKNN(BaselineContract):
    config = RatingKNNConfig(kind="means", similarity="pearson", compared="items", k=5)
    personal = False


def similarity(a, b, config, base_a, base_b):
    """Of two rows of ratings; base: their biases' predictions."""
    both = ~np.isnan(a) & ~np.isnan(b)
    n = both.sum()
    least = 2 if config.similarity == "pearson_baseline" else 1
    if n < max(config.min_support, least):
        return 0.0
    a, b, base_a, base_b = a[both], b[both], base_a[both], base_b[both]
    if config.similarity == "msd":
        return 1 / (1 + np.mean((a - b) ** 2))
    if config.similarity == "pearson":
        a, b = a - a.mean(), b - b.mean()
    if config.similarity == "pearson_baseline":
        a, b = a - base_a, b - base_b
    lengths = np.sqrt((a @ a) * (b @ b))
    found = a @ b / lengths if lengths > 1e-9 else 0.0
    if config.similarity == "pearson_baseline":
        found *= (n - 1) / (n - 1 + config.shrinkage)
    return found


def expected(events, config):
    """Predict every pair as Surprise does, where there are no ties at the k-th place."""
    ratings = matrix(events)
    mean = np.mean(events.value, dtype=float)
    biases = BaselineOnlyConfig().fit(events)
    base = mean + np.asarray(biases.user)[:, None] + np.asarray(biases.item)[None, :]
    if config.compared == "items":
        ratings, base = ratings.T, base.T
    known = ~np.isnan(ratings)
    rows = range(len(ratings))
    means = [ratings[x, known[x]].mean() if known[x].any() else mean for x in rows]
    spread = [ratings[x, known[x]].std() if known[x].any() else 0 for x in rows]
    spread = np.where(np.array(spread) == 0, events.value.std(), spread)
    found = np.full(ratings.shape, mean)
    for x, y in itertools.product(rows, range(ratings.shape[1])):
        centre = {"basic": 0, "baseline": base[x, y]}.get(config.kind, means[x])
        fallback = mean if config.kind == "basic" else centre
        if not known[x].any() or not known[:, y].any():
            found[x, y] = base[x, y] if config.kind == "baseline" else mean
            continue
        near = []
        for z in np.flatnonzero(known[:, y]):
            s = 1.0 if z == x else similarity(ratings[x], ratings[z], config, base[x], base[z])
            far = ratings[z, y] - {"basic": 0, "baseline": base[z, y]}.get(config.kind, means[z])
            near.append((s, far / spread[z] if config.kind == "z_score" else far))
        near = [pair for pair in sorted(near, key=lambda pair: -pair[0])[: config.k] if pair[0] > 0]
        if len(near) < config.min_k:
            found[x, y] = fallback
            continue
        scale = spread[x] if config.kind == "z_score" else 1
        total = sum(s for s, _ in near)
        found[x, y] = centre + scale * sum(s * far for s, far in near) / total
    return found if config.compared == "users" else found.T


@pytest.mark.parametrize(
    "config",
    [
        RatingKNNConfig("basic"),
        RatingKNNConfig("means", "cosine", "items", min_k=3),
        RatingKNNConfig("z_score", "pearson", min_support=2),
        RatingKNNConfig("z_score", "msd", "items"),
        RatingKNNConfig("baseline", "pearson_baseline", k=5, shrinkage=10.0),
    ],
)
def test_equal_to_loops_over_pairs(config):
    events = random_ratings()
    found = predicted(config.fit(events), events)
    np.testing.assert_allclose(found[:, 1:], expected(events, config)[:, 1:], rtol=1e-4)


def test_only_the_k_nearest_count():
    events = random_ratings()
    one, all_of_them = (RatingKNNConfig(k=k).fit(events) for k in (1, 40))
    assert abs(predicted(one, events) - predicted(all_of_them, events)).max() > 0.5
    own = events.user, events.item
    np.testing.assert_allclose(predicted(one, events)[own], events.value, rtol=1e-6)


def test_bad_values_and_what_does_not_fit_are_refused():
    with pytest.raises(InputError, match="min_k"):
        RatingKNNConfig(k=3, min_k=4)
    with pytest.raises(InputError, match="shrinkage"):
        RatingKNNConfig(shrinkage=-1.0)
    tight = RatingKNNConfig(memory_budget=1000)
    with pytest.raises(InputError, match=r"of all users.*0\.00 GiB.*compare items"):
        tight.fit(random_ratings())
    with pytest.raises(InputError, match=r"of all items.*use svd"):
        dataclasses.replace(tight, compared="items").fit(random_ratings())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "published"),
    [("basic", [0.980, 0.774]), ("means", [0.951, 0.749]), ("baseline", [0.931, 0.733])],
)
def test_ml100k(kind, published, data_root):
    """Surprise's table, to its last digit."""
    found = errors_on_ml100k(data_root, RatingKNNConfig(kind), 5)
    np.testing.assert_allclose(found, published, atol=1e-3)


@pytest.mark.parametrize(
    ("config", "measured"),
    [
        (RatingKNNConfig("basic"), [0.9841, 0.7763]),
        (RatingKNNConfig("baseline"), [0.9316, 0.7338]),
        (RatingKNNConfig("z_score"), [0.9537, 0.7469]),
        (RatingKNNConfig("means", "pearson", "items"), [0.9438, 0.7386]),
        (RatingKNNConfig("baseline", "pearson_baseline", "items"), [0.9188, 0.7208]),
    ],
)
def test_ml100k_beside_surprise(config, measured, data_root):
    """What Surprise 1.1.5 measures on the first fold; equally near neighbours differ."""
    found = errors_on_ml100k(data_root, config, 1)
    np.testing.assert_allclose(found, measured, atol=3e-4)
