"""The recurrent encoder equals plain loops, session by session; NARM's attention equals NumPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.data.packing import packed_places
from jaxrec.encoders.attention import causal
from jaxrec.encoders.rnn import (
    GRU,
    LSTM,
    AdditiveAttention,
    Recurrent,
    additive_scores,
    boundaries,
    run,
    states_at,
)

KEYS = jax.random.split(jax.random.key(0), 4)
X = jax.random.normal(KEYS[0], (3, 7, 8))
SEGMENTS = jnp.array(
    [[0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 2, 2, 2, 2], [0, 0, 0, 0, 0, 0, 0]], jnp.int32
)
EVERY = jnp.arange(7, dtype=jnp.int32)[None]
either_cell = pytest.mark.parametrize("cell", [GRU, LSTM], ids=["gru", "lstm"])


def make(cell, num_layers=2):
    module = Recurrent(5, cell, num_layers)
    variables = jax.jit(module.init)(jax.random.key(1), X, SEGMENTS, EVERY)

    @jax.jit
    def states(variables, x, segment_ids, queries=None):
        queries = jnp.arange(x.shape[1], dtype=jnp.int32)[None] if queries is None else queries
        return module.apply(variables, x, segment_ids, queries)

    return states, variables


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def plain_gru(x, kernel, bias, recurrent):
    """A loop over one session's events [length, features]."""
    h, states = np.zeros(recurrent.shape[0]), []
    for now in x:
        x_reset, x_update, x_new = np.split(now @ kernel + bias, 3)
        h_reset, h_update, h_new = np.split(h @ recurrent, 3)
        new = np.tanh(x_new + sigmoid(x_reset + h_reset) * h_new)
        update = sigmoid(x_update + h_update)
        h = (1 - update) * h + update * new
        states.append(h)
    return np.stack(states)


def plain_lstm(x, kernel, bias, recurrent):
    """A loop over one session's events [length, features]."""
    h, c, states = np.zeros(recurrent.shape[0]), np.zeros(recurrent.shape[0]), []
    for now in x:
        write, forget, output, new = np.split(now @ kernel + bias + h @ recurrent, 4)
        c = sigmoid(forget + 1) * c + sigmoid(write) * np.tanh(new)
        h = sigmoid(output) * np.tanh(c)
        states.append(h)
    return np.stack(states)


def plain(cell, variables, x):
    """All layers over one session's events."""
    loop = {GRU: plain_gru, LSTM: plain_lstm}[cell]
    layers = variables["params"]
    for number in range(len(layers)):
        layer = jax.tree.map(np.asarray, layers[f"layer_{number}"])
        dense = layer["Dense_0"]
        x = loop(np.asarray(x), dense["kernel"], dense["bias"], layer["recurrent_kernel"])
    return x


@either_cell
def test_each_session_of_a_row_is_the_plain_loop(cell):
    states, variables = make(cell)
    found = states(variables, X, SEGMENTS)
    for row, part in ((0, slice(2, 7)), (1, slice(0, 3)), (1, slice(3, 7))):
        np.testing.assert_allclose(
            found[row, part], plain(cell, variables, X[row, part]), rtol=1e-4, atol=1e-5
        )
    assert jnp.all(found[SEGMENTS == 0] == 0)


@either_cell
def test_session_parallel_with_reset_is_one_session_at_a_time(cell):
    states, variables = make(cell, num_layers=1)
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 10, 40)
    first = np.cumsum(lengths) - lengths
    events = jax.random.normal(KEYS[1], (lengths.sum(), 8))
    place, segments = packed_places(first, lengths, 24)
    assert len(place) < 12
    x = jnp.where((place >= 0)[..., None], events[place], 9.0)
    found = np.asarray(states(variables, x, jnp.asarray(segments)))
    together = np.zeros((lengths.sum(), 5))
    together[place[place >= 0]] = found[place >= 0]
    for start, length in zip(first, lengths, strict=True):
        alone = plain(cell, variables, events[start : start + length])
        np.testing.assert_allclose(together[start : start + length], alone, rtol=1e-4, atol=1e-5)


@either_cell
def test_packing_changes_neither_loss_nor_gradient(cell):
    states, variables = make(cell)
    one = jnp.stack([jnp.roll(X[1], 4, axis=0), X[1]])  # each session at the end of a row
    segments = jnp.stack([jnp.roll(SEGMENTS[1], 4) == 1, SEGMENTS[1] == 2]).astype(jnp.int32)

    def loss(variables, x, segments):
        return (states(variables, x, segments) ** 3).sum()

    both = jax.jit(jax.value_and_grad(loss))
    packed, padded = both(variables, X[1:2], SEGMENTS[1:2]), both(variables, one, segments)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), packed, padded
    )


@either_cell
def test_the_gradient_of_a_run_is_that_of_autodiff(cell):
    x = jax.random.normal(KEYS[1], (7, 3, 5 * cell.gates))
    kernel = jax.random.normal(KEYS[2], (5, 5 * cell.gates)) / 2
    upstream = jax.random.normal(KEYS[3], (7, 3, 5))
    segments = SEGMENTS.at[1, 1].set(0).T  # padding within a session, too
    starts, events = boundaries(segments)

    def plainly(x, kernel):
        state, total = (jnp.zeros((3, 5)),) * cell.carried, 0.0
        for t in range(7):
            state = tuple(jnp.where(starts[t], 0, s) for s in state)
            after = cell.step(state, x[t], state[0] @ kernel)
            state = tuple(jnp.where(events[t], a, s) for a, s in zip(after, state, strict=True))
            total += (state[0] * upstream[t]).sum()
        return total

    def ours(x, kernel):
        return (run(cell, 2, x, kernel, starts, events) * upstream).sum()

    found, expected = (jax.jit(jax.value_and_grad(f, (0, 1)))(x, kernel) for f in (ours, plainly))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected
    )
    assert jnp.all(found[1][0][segments == 0] == 0)


@either_cell
def test_the_future_does_not_change_the_past(cell):
    states, variables = make(cell)
    before = states(variables, X, SEGMENTS)
    after = states(variables, X.at[:, 5:].set(9.0), SEGMENTS)
    np.testing.assert_array_equal(after[:, :5], before[:, :5])
    assert jnp.abs(after[:2, 5:] - before[:2, 5:]).max() > 0.01


@either_cell
def test_padding_does_not_matter(cell):
    states, variables = make(cell)
    before = states(variables, X, SEGMENTS)
    np.testing.assert_array_equal(states(variables, X.at[0, :2].set(9.0), SEGMENTS), before)
    shorter = states(variables, X[:1, 2:], SEGMENTS[:1, 2:])
    np.testing.assert_allclose(shorter[0], before[0, 2:], rtol=1e-5, atol=1e-6)
    gap = jnp.insert(X[:1, 2:], 2, 9.0, axis=1)
    within = states(variables, gap, jnp.array([[1, 1, 0, 1, 1, 1]], jnp.int32))
    np.testing.assert_allclose(jnp.delete(within[0], 2, axis=0), shorter[0], rtol=1e-5, atol=1e-6)


@either_cell
def test_a_row_of_padding_is_finite_in_value_and_gradient(cell):
    states, variables = make(cell)

    def total(variables, x):
        return (states(variables, x, SEGMENTS) ** 2).sum()

    value, gradient = jax.jit(jax.value_and_grad(total, (0, 1)))(variables, X)
    assert jnp.isfinite(value)
    assert all(jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves(gradient))
    assert jnp.all(gradient[1][SEGMENTS == 0] == 0)


@either_cell
def test_few_queries_answer_as_all_do_in_value_and_gradient(cell):
    states, variables = make(cell)
    queries = jnp.array([[6, 2], [2, 5], [0, 1]], jnp.int32)

    def few(variables):
        found = states(variables, X, SEGMENTS, queries)
        return (found**3).sum(), found

    def picked(variables):
        found = states_at(states(variables, X, SEGMENTS), queries)
        return (found**3).sum(), found

    runs = (jax.jit(jax.value_and_grad(f, has_aux=True))(variables) for f in (few, picked))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), *runs)


def test_states_are_picked_by_column():
    queries = jnp.array([[6], [0], [3]], jnp.int32)
    expected = jnp.stack([X[0, 6], X[1, 0], X[2, 3]])[:, None]
    np.testing.assert_array_equal(states_at(X, queries), expected)
    assert states_at(X, EVERY) is X


def test_sessions_start_where_segments_change_and_padding_is_no_event():
    starts, events = boundaries(SEGMENTS.at[1, 1].set(0).T)
    assert starts[:, 0, 0].nonzero()[0].tolist() == [2]
    assert starts[:, 1, 0].nonzero()[0].tolist() == [0, 3]
    assert events[:, 1, 0].tolist() == [True, False, True, True, True, True, True]
    assert not starts[:, 2].any()


@either_cell
def test_unrolling_changes_nothing(cell):
    variables = make(cell)[1]
    found = [
        jax.jit(Recurrent(5, cell, 2, unroll=unroll).apply)(variables, X, SEGMENTS, EVERY)
        for unroll in (1, 3, 50)
    ]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found[2], found[0], rtol=1e-6, atol=1e-7)


@either_cell
def test_each_gate_starts_with_an_orthogonal_kernel(cell):
    kernel = make(cell)[1]["params"]["layer_0"]["recurrent_kernel"]
    assert kernel.shape == (5, 5 * cell.gates)
    gates = jnp.split(kernel, cell.gates, axis=1)
    for gate in gates:
        np.testing.assert_allclose(gate @ gate.T, np.eye(5), atol=1e-5)
    assert jnp.abs(gates[0] - gates[1]).max() > 0.01


def test_dropout_drops_states_on_their_way_up_but_not_through_time():
    variables = make(GRU, 1)[1]
    module = Recurrent(5, GRU, 1, dropout=0.5)
    whole = module.apply(variables, X, SEGMENTS, EVERY)
    found = module.apply(variables, X, SEGMENTS, EVERY, True, rngs={"dropout": KEYS[1]})
    dropped = (found == 0) & (whole != 0)
    assert 0.2 < dropped.sum() / (whole != 0).sum() < 0.8
    np.testing.assert_allclose(found[~dropped], 2 * whole[~dropped], rtol=1e-6)


def plain_scores(query, key, v):
    query, key, v = map(np.asarray, (query, key, v))
    return sigmoid(query[:, :, None] + key[:, None]) @ v


def attend(queries):
    module = AdditiveAttention()
    variables = jax.jit(module.init)(jax.random.key(1), X, SEGMENTS, queries)
    return jax.jit(module.apply)(variables, X, SEGMENTS, queries), variables["params"]


def test_attention_is_the_plain_one():
    found, params = attend(EVERY)
    states, params = jax.tree.map(np.asarray, (X, params))
    query = states @ params["of_query"]["kernel"]
    key = states @ params["of_event"]["kernel"]
    seen = np.asarray(causal(SEGMENTS))[:, 0]
    weights = np.where(seen, np.exp(plain_scores(query, key, params["v"])), 0)
    weights /= np.maximum(weights.sum(-1, keepdims=True), 1e-9)
    np.testing.assert_allclose(found, weights @ states, rtol=1e-4, atol=1e-5)
    assert jnp.all(found[SEGMENTS == 0] == 0)


def test_attention_at_few_queries_is_that_at_all():
    queries = jnp.array([[6, 2], [2, 5], [0, 1]], jnp.int32)
    np.testing.assert_allclose(
        attend(queries)[0], states_at(attend(EVERY)[0], queries), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("queries", [7, 203, 2])
def test_additive_scores_are_the_plain_ones_in_value_and_gradient(queries):
    length = max(queries, 7)
    query = jax.random.normal(KEYS[1], (3, queries, 4))
    key = jax.random.normal(KEYS[2], (3, length, 4))
    v = jax.random.normal(KEYS[3], (4,))
    past = np.ones((queries, length), bool)
    past = jnp.asarray(np.tril(past) if queries == length else past)[None]

    def total(scores, query, key, v):
        found = jnp.where(past, scores(query, key, v), 0)
        return (found**2).sum(), found

    def simple(query, key, v):
        both = jax.nn.sigmoid(query[:, :, None] + key[:, None])
        return jnp.einsum("bqkd,d->bqk", both, v)

    ours, expected = (
        jax.jit(jax.value_and_grad(partial(total, scores), (0, 1, 2), has_aux=True))(query, key, v)
        for scores in (additive_scores, simple)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-4), ours, expected
    )
    np.testing.assert_allclose(
        ours[0][1], np.where(past, plain_scores(query, key, v), 0), rtol=1e-4, atol=1e-5
    )


def test_attention_stores_no_pairs_of_vectors():
    batch, length, dim = 8, 200, 64
    states = jax.ShapeDtypeStruct((batch, length, dim), jnp.float32)
    v = jax.ShapeDtypeStruct((dim,), jnp.float32)

    def total(query, key, v):
        return (additive_scores(query, key, v) ** 2).sum()

    compiled = jax.jit(jax.grad(total, (0, 1, 2))).lower(states, states, v).compile()
    pairs = 4 * batch * length * length * dim
    assert compiled.memory_analysis().temp_size_in_bytes < pairs / 4
