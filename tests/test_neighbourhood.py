"""Similarities of rows against one pair at a time, and pruning against sorted rows."""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import sparse

from jaxrec.baselines import neighbourhood
from jaxrec.baselines.item_knn import ItemKNNConfig
from jaxrec.baselines.item_weights import known_items
from jaxrec.baselines.neighbourhood import Neighbourhood, centred, nearest_of_columns
from jaxrec.baselines.sparse_rows import largest
from jaxrec.data.interactions import Dataset, Interactions
from jaxrec.data.prepare import Prepared
from jaxrec.data.resident import question, question_of, resident
from jaxrec.data.splits import Split
from jaxrec.errors import InputError

USERS, ITEMS = 30, 18

KINDS = {
    "cosine": Neighbourhood(),
    "cosine, shrunk": Neighbourhood(shrinkage=3.0),
    "cosine, tfidf, shrunk": Neighbourhood(weighting="tfidf", shrinkage=2.0),
    "cosine, bm25": Neighbourhood(weighting="bm25"),
    "dot": Neighbourhood("dot"),
    "dot, tfidf": Neighbourhood("dot", weighting="tfidf"),
    "dot, bm25, shrunk": Neighbourhood(
        "dot", weighting="bm25", bm25_k1=20.0, bm25_b=0.3, shrinkage=1.5
    ),
    "jaccard": Neighbourhood("jaccard"),
    "jaccard, shrunk": Neighbourhood("jaccard", shrinkage=0.5),
    "tversky": Neighbourhood("tversky", alpha=0.7, beta=0.1),
    "tversky, one side": Neighbourhood("tversky", alpha=0.0, beta=1.3),
    "asymmetric": Neighbourhood("asymmetric", alpha=0.2),
    "asymmetric, tfidf": Neighbourhood("asymmetric", alpha=0.9, weighting="tfidf"),
    "adjusted": Neighbourhood("adjusted_cosine"),
    "adjusted, shrunk": Neighbourhood("adjusted_cosine", shrinkage=4.0),
}


@functools.cache
def ratings(seed=0):
    """Users who all rate something; some pairs occur twice, some users value all alike."""
    rng = np.random.default_rng(seed)
    users = np.concatenate([np.arange(1, USERS + 1), rng.integers(1, USERS + 1, 220)])
    items = 1 + (rng.random(len(users)) ** 2 * ITEMS).astype(int)
    items[:ITEMS] = np.arange(1, ITEMS + 1)
    return Interactions.build(users, items, np.where(users < 4, 3, rng.integers(1, 6, len(users))))


@functools.cache
def resident_ratings():
    events = ratings()
    nothing = events.take(np.arange(0))
    split = Split(events, nothing, nothing)
    return resident(Prepared(Dataset("", events), split, (), (), {}, {}, []), events)


def ask_all():
    return question(resident_ratings(), jnp.arange(USERS + 1, dtype=jnp.int32), 40)


def ask(histories, length=8):
    return question_of(resident_ratings(), histories, length)


@functools.cache
def tables():
    """Who met what, and values less the user's mean, users × items."""
    events = ratings()
    total, times = np.zeros((2, USERS + 1, ITEMS + 1))
    np.add.at(total, (events.user, events.item), events.value)
    np.add.at(times, (events.user, events.item), 1)
    met = times > 0
    values = np.where(met, total / np.maximum(times, 1), 0)
    mean = values.sum(1) / np.maximum(met.sum(1), 1)
    return met, np.where(met, values - mean[:, None], 0)


def weigh_pair(config, x, y, common):
    """The weight of y for a known x, by the textbook's formula."""
    dot, left, right = x @ y, np.sqrt(x @ x), np.sqrt(y @ y)
    if common == 0 or left * right == 0:
        return 0.0
    weight = {
        "cosine": dot / (left * right),
        "adjusted_cosine": dot / (left * right),
        "dot": dot,
        "asymmetric": dot / (left ** (2 * config.alpha) * right ** (2 - 2 * config.alpha)),
        "jaccard": dot / ((x + y) > 0).sum(),
        "tversky": dot
        / (common + config.alpha * (left**2 - common) + config.beta * (right**2 - common) + 1e-12),
    }[config.similarity]
    return weight * common / (common + config.shrinkage)


def dense_weights(config, met, values):
    """Weights of known × scored rows of `met` (rows × what they met), before pruning."""
    vectors = values if config.similarity == "adjusted_cosine" else met.astype(float)
    rarity = np.log((len(met) - 1) / (1 + met.sum(0)))
    if config.weighting == "tfidf":
        vectors = met * rarity
    if config.weighting == "bm25":
        size = met.sum(1, keepdims=True)
        k1, b = config.bm25_k1, config.bm25_b
        vectors = met * rarity * (k1 + 1) / (1 + k1 * (1 - b + b * size / size[1:].mean()))
    common = met.astype(int) @ met.T
    weights = np.zeros((len(met), len(met)))
    for x in range(1, len(met)):
        for y in range(1, len(met)):
            if x != y:
                weights[x, y] = weigh_pair(config, vectors[x], vectors[y], common[x, y])
    return weights


def pruned_rows(weights, k):
    """Keep the k largest weights that are not 0 in each row, equal ones from the front."""
    ranked = np.argsort(-np.where(weights == 0, -np.inf, np.round(weights, 6)), 1, kind="stable")
    kept = np.zeros_like(weights)
    np.put_along_axis(kept, ranked[:, :k], np.take_along_axis(weights, ranked[:, :k], 1), 1)
    return kept


def pruned(weights, config):
    if config.neighbours is not None and config.pruning in ("row", "both"):
        weights = pruned_rows(weights, config.neighbours)
    if config.neighbours is not None and config.pruning in ("column", "both"):
        weights = pruned_rows(weights.T, config.neighbours).T
    return weights


def choose(layout, monkeypatch):
    """Make products of all rows sparse, or dense, or dense of the fullest rows only."""
    monkeypatch.setattr(neighbourhood, "ENTRIES_AT_ONCE", 100)
    monkeypatch.setattr(neighbourhood, "DENSE_SHARE", 2 if layout == "sparse" else 0)
    monkeypatch.setattr(neighbourhood, "DENSE_SPEEDUP", 4 if layout == "mixed" else 10**9)


@pytest.mark.parametrize("of", ["items", "users"])
@pytest.mark.parametrize("layout", ["sparse", "mixed", "dense"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_similarity_and_weighting(kind, layout, of, monkeypatch):
    choose(layout, monkeypatch)
    config = KINDS[kind]
    sets = centred(ratings()) if "adjusted" in config.similarity else known_items(ratings())
    found = config.weights(config.vectors(sets.T.tocsr() if of == "items" else sets))
    expected = dense_weights(config, *((x.T if of == "items" else x) for x in tables()))
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pruning", ["row", "column", "both"])
@pytest.mark.parametrize("layout", ["sparse", "mixed", "dense"])
@pytest.mark.parametrize("kind", ["dot", "asymmetric", "adjusted"])
def test_pruning_by_row_by_column_and_by_both(kind, layout, pruning, monkeypatch):
    choose(layout, monkeypatch)
    config = dataclasses.replace(KINDS[kind], neighbours=4, pruning=pruning)
    sets = centred(ratings()) if kind == "adjusted" else known_items(ratings())
    found = config.weights(config.vectors(sets.T.tocsr()))
    expected = pruned(dense_weights(config, *(x.T for x in tables())), config)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-4, atol=1e-5)


def test_the_largest_of_rows_of_any_length_with_ties():
    rng = np.random.default_rng(1)
    dense = rng.integers(1, 6, (40, 30)) * (rng.random((40, 30)) < rng.random((40, 1)))
    matrix = sparse.csr_array(dense.astype(np.float32))
    backwards = matrix.indptr[:-1].repeat(np.diff(matrix.indptr)) + (
        matrix.indptr[1:].repeat(np.diff(matrix.indptr)) - 1 - np.arange(matrix.nnz)
    )
    unsorted = sparse.csr_array(
        (matrix.data[backwards], matrix.indices[backwards], matrix.indptr), matrix.shape
    )
    for k in (1, 4, 29):
        expected = pruned_rows(dense.astype(float), k)
        np.testing.assert_array_equal(largest(unsorted, k).toarray(), expected)
        columns = nearest_of_columns(matrix.T.tocsr(), k).toarray()
        np.testing.assert_array_equal(columns.T, expected)
    assert nearest_of_columns(matrix, None) is matrix


def test_the_largest_leave_out_entries_of_minus_infinity():
    matrix = sparse.csr_array(np.array([[-np.inf, 2, -3, 0], [-np.inf, -np.inf, -np.inf, 5]], "f"))
    for k in (1, 2, 3, 4):
        kept = largest(matrix, k)
        np.testing.assert_array_equal(np.diff(kept.indptr), [min(k, 2), 1])
        assert np.isfinite(kept.data).all()


def test_adjusted_cosine_by_items_scores_bare_histories():
    config = ItemKNNConfig("adjusted_cosine", neighbours=5, normalise=True)
    weights = pruned(dense_weights(config, *(x.T for x in tables())), config)
    weights /= np.maximum(np.abs(weights).sum(0), 1e-9)
    scores = config.fit(ratings()).scores(ask([[2, 7, 2], []]))
    np.testing.assert_allclose(scores[0], weights[2] + weights[7], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(scores[1], 0)


def test_values_that_tell_nothing_apart_are_refused():
    events = ratings()
    alike = dataclasses.replace(events, value=np.full(len(events), 0.1, np.float32))
    with pytest.raises(InputError, match="adjusted_cosine compares values"):
        ItemKNNConfig("adjusted_cosine").fit(alike)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"neighbours": 0}, "model.neighbours is 0"),
        ({"shrinkage": -1.0}, "model.shrinkage is -1.0; give a number from 0"),
        ({"similarity": "asymmetric", "alpha": 1.5}, "within 0 and 1"),
        ({"similarity": "tversky", "alpha": 0.0, "beta": 0.0}, "above 0"),
        ({"similarity": "tversky", "beta": -0.1}, "model.beta"),
        ({"bm25_b": 1.1}, "model.bm25_b is 1.1"),
        ({"similarity": "jaccard", "weighting": "bm25"}, "jaccard weighs no sets"),
    ],
)
def test_bad_values_are_refused(fields, message):
    with pytest.raises(InputError, match=message):
        Neighbourhood(**fields)
