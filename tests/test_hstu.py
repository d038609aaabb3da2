"""HSTU's units against NumPy, and what packing, padding and the future may change: nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.encoders.attention import causal
from jaxrec.encoders.hstu import Hstu, Unit

KEYS = jax.random.split(jax.random.key(0), 4)
X = jax.random.normal(KEYS[0], (3, 7, 8))
SEGMENTS = jnp.array(
    [[0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 2, 2, 2, 2], [0, 0, 0, 0, 0, 0, 0]], jnp.int32
)


with_and_without_times = pytest.mark.parametrize("timed", [False, True])


def every(segment_ids):
    batch, length = segment_ids.shape
    return jnp.broadcast_to(jnp.arange(length, dtype=jnp.int32)[None], (batch, length))


def make(timed, layers=2):
    module = Hstu(10, layers, 2)

    def time_of(x):
        return jnp.round(1e6 + 1e5 * x[:, :, 0]).astype(jnp.int32) if timed else None

    @jax.jit
    def init(key):
        return module.init(key, X, SEGMENTS, every(SEGMENTS), time=time_of(X))

    variables = init(KEYS[1])

    def run(variables, x, segment_ids, queries=None):
        queries = every(segment_ids) if queries is None else queries
        return module.apply(variables, x, segment_ids, queries, time=time_of(x))

    return jax.jit(run), variables


@with_and_without_times
def test_a_unit_is_ten_lines_of_numpy(timed):
    unit, x = Unit(2, 10, 0.0), X[0]
    bucket = jax.random.randint(KEYS[3], (1, 7, 7), 0, 72) if timed else None
    given = x, causal(SEGMENTS[:1]), every(SEGMENTS[:1]), False, bucket
    variables = unit.init(KEYS[2], *given)
    found = unit.apply(variables, *given)
    p = jax.tree.map(np.asarray, variables["params"])

    def silu(a):
        return a / (1 + np.exp(-a))

    def norm(a):
        return (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + 1e-6)

    a = np.asarray(x)
    mixed = silu(norm(a) @ p["Dense_0"]["kernel"] + p["Dense_0"]["bias"])
    gate, q, k, v = np.split(mixed, 4, axis=1)
    out = np.zeros_like(a)
    for head, part in enumerate((slice(0, 4), slice(4, 8))):
        for i in range(2, 7):
            for j in range(2, i + 1):
                score = q[i, part] @ k[j, part] + p["distance"][head, i - j]
                score += p["time"][head, bucket[0, i, j]] if timed else 0
                out[i, part] += silu(score) / 10 * v[j, part]
    expected = a + (gate * norm(out)) @ p["Dense_1"]["kernel"] + p["Dense_1"]["bias"]
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-5)


@with_and_without_times
def test_the_future_does_not_change_the_past(timed):
    run, variables = make(timed)
    before, after = (run(variables, x, SEGMENTS) for x in (X, X.at[:, 5:].set(9.0)))
    np.testing.assert_allclose(after[:, :5], before[:, :5], rtol=1e-5, atol=1e-6)
    assert jnp.abs(after[0, 5:] - before[0, 5:]).max() > 0.01


@with_and_without_times
def test_packed_segments_answer_as_if_alone_and_padding_does_not_matter(timed):
    run, variables = make(timed)
    packed = run(variables, X.at[0, :2].set(9.0), SEGMENTS)
    for row, part in ((0, slice(2, 7)), (1, slice(0, 3)), (1, slice(3, 7))):
        alone = run(variables, X[row : row + 1, part], jnp.ones_like(SEGMENTS[:1, part]))
        np.testing.assert_allclose(packed[row, part], alone[0], rtol=1e-4, atol=1e-5)


@with_and_without_times
def test_few_queries_answer_as_all_do(timed):
    run, variables = make(timed)
    queries = jnp.array([[6, 2], [2, 5], [0, 1]], jnp.int32)
    whole = jnp.take_along_axis(run(variables, X, SEGMENTS), queries[:, :, None], axis=1)
    few = run(variables, X, SEGMENTS, queries)
    np.testing.assert_allclose(few, whole, rtol=1e-4, atol=1e-5)


@with_and_without_times
def test_gradients_are_finite_with_rows_of_padding(timed):
    run, variables = make(timed)
    gradient = jax.jit(jax.grad(lambda v: (run(v, X, SEGMENTS) ** 2).sum()))(variables)
    assert all(jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves(gradient))
