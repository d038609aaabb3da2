"""Interests against NumPy loops, one query at a time; and packing, padding, the future."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.encoders.interests import (
    DynamicRouting,
    SelfAttentiveInterests,
    num_interests,
    prefixes,
    squash,
)

K, DIM, MOST = 3, 8, 5  # the history of a query is cut to MOST events
KEYS = jax.random.split(jax.random.key(0), 4)
X = 2 * jax.random.normal(KEYS[0], (3, 7, DIM))
SEGMENTS = jnp.array(
    [[0, 1, 1, 1, 1, 1, 1], [1, 1, 1, 2, 2, 2, 2], [0, 0, 0, 0, 0, 0, 0]], jnp.int32
)
ROUTED = DynamicRouting(K, MOST)
ADAPTIVE = DynamicRouting(K, MOST, adaptive=True)
ATTENTIVE = SelfAttentiveInterests(K, MOST, 16)
ALL = pytest.mark.parametrize(
    "module", [ROUTED, ADAPTIVE, ATTENTIVE], ids=["routed", "adaptive", "attentive"]
)


def every(segment_ids):
    batch, length = segment_ids.shape
    return jnp.broadcast_to(jnp.arange(length, dtype=jnp.int32)[None], (batch, length))


def make(module):
    variables = jax.jit(module.init)(KEYS[1], X, SEGMENTS, every(SEGMENTS))
    if "of_age" in variables["params"]:  # it starts as zero
        variables["params"]["of_age"] = jax.random.normal(KEYS[2], (module.num_interests, MOST))

    def run(variables, x, segment_ids, queries=None):
        queries = every(segment_ids) if queries is None else queries
        return module.apply(variables, x, segment_ids, queries)

    return jax.jit(run), variables


def prefix_of(row, query):
    """The columns that a query reads, in order."""
    segment = np.asarray(SEGMENTS[row])
    columns = [j for j in range(query + 1) if segment[j] and segment[j] == segment[query]]
    return columns[-MOST:]


def softmax(a):
    a = np.exp(a - a.max())
    return a / a.sum()


def routed_by_loops(params, events, interests):
    """MIND's algorithm 1 over the events of one query, the oldest first."""
    start = np.asarray(jax.random.normal(jax.random.key(0), (K, MOST)))
    mapped = [event @ params["bilinear"]["kernel"] for event in events]
    logits = np.zeros((len(events), interests))
    for i in range(len(events)):
        for k in range(interests):
            logits[i, k] = start[k, len(events) - 1 - i]
    for _ in range(3):
        weights = [softmax(logits[i]) for i in range(len(events))]
        found = np.zeros((K, DIM))
        for k in range(interests):
            z = sum(weights[i][k] * mapped[i] for i in range(len(events)))
            square = z @ z
            found[k] = square / (1 + square) * z / np.sqrt(square)
        for i in range(len(events)):
            for k in range(interests):
                logits[i, k] += found[k] @ mapped[i]
    return found


def attended_by_loops(params, events):
    found = np.zeros((K, DIM))
    for k in range(K):
        logits = [
            np.tanh(event @ params["hidden"]["kernel"] + params["hidden"]["bias"])
            @ params["of_event"]["kernel"][:, k]
            + params["of_age"][k, len(events) - 1 - i]
            for i, event in enumerate(events)
        ]
        found[k] = sum(w * event for w, event in zip(softmax(np.array(logits)), events))
    return found


@ALL
def test_each_prefix_is_what_plain_loops_find(module):
    run, variables = make(module)
    found, there = run(variables, X, SEGMENTS)
    params, x = jax.tree.map(np.asarray, (variables["params"], X))
    for row in range(3):
        for query in range(7):
            columns = prefix_of(row, query)
            events = [x[row, j] for j in columns]
            most = K if events else 0
            if module is ADAPTIVE and events:
                most = max(1, min(K, int(np.log2(len(events)))))
            assert there[row, query].sum() == most
            expected = np.zeros((K, DIM))
            if events and module is ATTENTIVE:
                expected = attended_by_loops(params, events)
            elif events:
                expected = routed_by_loops(params, events, most)
            np.testing.assert_allclose(found[row, query], expected, rtol=1e-4, atol=1e-5)


@ALL
def test_packed_segments_answer_as_if_alone_and_padding_does_not_matter(module):
    run, variables = make(module)
    packed = run(variables, X.at[0, :1].set(9.0), SEGMENTS)
    for row, part in ((0, slice(1, 7)), (1, slice(0, 3)), (1, slice(3, 7))):
        alone = run(variables, X[row : row + 1, part], jnp.ones_like(SEGMENTS[:1, part]))
        for whole, own in zip(packed, alone, strict=True):
            np.testing.assert_allclose(whole[row, part], own[0], rtol=1e-4, atol=1e-5)


@ALL
def test_the_future_does_not_change_the_past(module):
    run, variables = make(module)
    before, after = (run(variables, x, SEGMENTS)[0] for x in (X, X.at[:, 5:].set(9.0)))
    np.testing.assert_allclose(after[:, :5], before[:, :5], rtol=1e-5, atol=1e-6)
    assert jnp.abs(after[0, 5:] - before[0, 5:]).max() > 0.01


@ALL
def test_few_queries_answer_as_all_do(module):
    run, variables = make(module)
    queries = jnp.array([[6, 2], [2, 5], [0, 1]], jnp.int32)
    whole, few = run(variables, X, SEGMENTS), run(variables, X, SEGMENTS, queries)
    rows = jnp.arange(3)[:, None]
    for all_of_them, asked in zip(whole, few, strict=True):
        np.testing.assert_allclose(asked, all_of_them[rows, queries], rtol=1e-4, atol=1e-5)


@ALL
def test_gradients_are_finite_with_rows_of_padding_and_none_goes_there(module):
    run, variables = make(module)

    def loss(variables, x):
        return (run(variables, x, SEGMENTS)[0] ** 2).sum()

    of_params, of_x = jax.jit(jax.grad(loss, argnums=(0, 1)))(variables, X.at[2].set(0))
    assert all(jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves(of_params))
    assert all(jnp.any(g != 0) for g in jax.tree.leaves(of_params))
    np.testing.assert_array_equal(of_x[2], 0)
    np.testing.assert_array_equal(of_x[0, 0], 0)
    assert jnp.all(jnp.abs(of_x[0, 1:]).max(-1) > 0)


def test_a_single_interest_takes_all_events_whole():
    run, variables = make(dataclasses.replace(ROUTED, num_interests=1))
    found, _ = run(variables, X, SEGMENTS)
    mapped = X @ variables["params"]["bilinear"]["kernel"]
    for row, query in ((0, 6), (1, 2), (1, 5)):
        total = mapped[row, jnp.array(prefix_of(row, query))].sum(0)
        expected = squash(total[None])
        np.testing.assert_allclose(found[row, query], expected, rtol=1e-4, atol=1e-5)


def test_interests_are_the_logarithm_of_the_events():
    events = jnp.array([0, 1, 2, 3, 4, 7, 8, 15, 16, 1000], jnp.int32)
    assert num_interests(events, 4).tolist() == [1, 1, 1, 1, 2, 2, 3, 3, 4, 4]
    assert num_interests(events, 1).tolist() == [1] * 10


def test_a_query_reads_its_own_segment_up_to_itself():
    seen, age = prefixes(SEGMENTS, every(SEGMENTS), MOST)
    for row in range(3):
        for query in range(7):
            columns = np.flatnonzero(seen[row, query])
            assert columns.tolist() == prefix_of(row, query)
            np.testing.assert_array_equal(age[row, query, columns], query - columns)
