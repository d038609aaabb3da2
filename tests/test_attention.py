"""Attention against NumPy and automatic differentiation, whole and with weights dropped."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.encoders.attention import _blocks, attention, bidirectional, causal

KEYS = jax.random.split(jax.random.key(0), 4)
SEGMENTS = jnp.array(
    [[0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 2, 2, 2, 2], [0, 0, 0, 0, 0, 0, 0]], jnp.int32
)


def plain_attention(q, k, v, where):
    """Five lines of NumPy."""
    scores = np.einsum("bhqd,bhkd->bhqk", q, k) / np.sqrt(q.shape[-1])
    weight = np.where(where, np.exp(scores), 0)
    weight /= np.maximum(weight.sum(-1, keepdims=True), 1e-9)
    return np.einsum("bhqk,bhkd->bhqd", weight, v)


@pytest.mark.parametrize("seen", [causal, bidirectional])
@pytest.mark.parametrize("length", [7, 203])
def test_attention_is_the_plain_one(length, seen):
    q, k, v = jax.random.normal(KEYS[1], (3, 3, 2, length, 4))
    where = seen(jnp.repeat(SEGMENTS, 29, axis=1)[:, 203 - length :])
    found = attention(q, k, v, where, seen is causal)
    np.testing.assert_allclose(found, plain_attention(q, k, v, where), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seen", [causal, bidirectional])
def test_the_gradient_of_attention_is_that_of_autodiff(seen):
    q, k, v = jax.random.normal(KEYS[1], (3, 3, 2, 203, 4))
    upstream = jax.random.normal(KEYS[2], q.shape)
    where = seen(jnp.repeat(SEGMENTS, 29, axis=1))

    def plain(q, k, v):
        scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) / 2
        weight = jnp.where(where, jax.nn.softmax(jnp.where(where, scores, -1e9)), 0)
        return (jnp.einsum("bhqk,bhkd->bhqd", weight, v) * upstream).sum()

    def ours(q, k, v):
        return (attention(q, k, v, where, seen is causal) * upstream).sum()

    found, expected = (jax.grad(f, (0, 1, 2))(q, k, v) for f in (ours, plain))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected
    )


def dropped_attention(length=60, dropout=0.25):
    """Give q, k, where, ours as a function of q, k, v, and what was kept, read off the weights."""
    q, k = jax.random.normal(KEYS[1], (2, 3, 2, length, length)) * length**-0.25
    where = causal(jnp.repeat(SEGMENTS, 29, axis=1)[:, 203 - length :])

    def ours(q, k, v):
        return attention(q, k, v, where, True, dropout, KEYS[3])

    kept = ours(q, k, jnp.broadcast_to(jnp.eye(length), q.shape)) > 0
    return q, k, where, ours, kept


def test_dropped_attention_is_the_plain_one_with_the_weights_it_keeps():
    q, k, where, ours, kept = dropped_attention()
    seen = jnp.broadcast_to(where, kept.shape)
    assert len(_blocks(60, 60, True)) == 2
    assert not (kept & ~seen).any()
    assert kept.sum() / seen.sum() == pytest.approx(192 / 256, abs=0.02)
    alike = jnp.where(seen[:, 0], kept[:, 0] == kept[:, 1], False)  # the draws of two heads
    assert alike.sum() / seen[:, 0].sum() == pytest.approx((192**2 + 64**2) / 256**2, abs=0.03)
    v = jax.random.normal(KEYS[2], q.shape)
    weight = plain_attention(q, k, np.broadcast_to(np.eye(60), q.shape), where)
    expected = np.where(kept, weight / 0.75, 0) @ np.asarray(v)
    np.testing.assert_allclose(ours(q, k, v), expected, rtol=1e-4, atol=1e-5)


def test_the_gradient_of_dropped_attention_is_that_of_autodiff():
    q, k, where, ours, kept = dropped_attention()
    v, upstream = jax.random.normal(KEYS[2], (2, *q.shape))

    def plain(q, k, v):
        scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) / 60**0.5
        weight = jnp.where(where, jax.nn.softmax(jnp.where(where, scores, -1e9)), 0)
        return jnp.einsum("bhqk,bhkd->bhqd", jnp.where(kept, weight / 0.75, 0), v)

    found, expected = (
        jax.jit(jax.grad(lambda *x, f=f: (f(*x) * upstream).sum(), (0, 1, 2)))(q, k, v)
        for f in (ours, plain)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected
    )


def test_dropped_attention_keeps_the_mean():
    q, k, v = jax.random.normal(KEYS[1], (3, 3, 2, 7, 4))
    where = causal(SEGMENTS)
    keys = jax.random.split(KEYS[3], 4000)
    found = jax.jit(jax.vmap(lambda key: attention(q, k, v, where, True, 0.5, key)))(keys)
    assert found.std(0)[0, :, 3:].min() > 0.1
    np.testing.assert_allclose(found.mean(0), attention(q, k, v, where), atol=0.12)


@pytest.mark.parametrize("dropout", [0.0, 0.25])
@pytest.mark.parametrize("seen", [causal, bidirectional])
def test_biased_attention_and_its_gradient_are_the_plain_ones(seen, dropout):
    q, k, bias, upstream = jax.random.normal(KEYS[1], (4, 3, 2, 60, 60)) * 60**-0.25
    v = jax.random.normal(KEYS[2], q.shape)
    where = seen(jnp.repeat(SEGMENTS, 29, axis=1)[:, 143:])
    key = KEYS[3] if dropout else None

    def ours(q, k, v, bias):
        return attention(q, k, v, where, seen is causal, dropout, key, bias)

    kept = ours(q, k, jnp.broadcast_to(jnp.eye(60), q.shape), bias) > 0

    def plain(q, k, v, bias):
        scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) / 60**0.5 + bias
        weight = jnp.where(where, jax.nn.softmax(jnp.where(where, scores, -1e9)), 0)
        return jnp.einsum("bhqk,bhkd->bhqd", jnp.where(kept, weight / (1 - dropout), 0), v)

    def both(f):
        run = jax.value_and_grad(lambda *x: (f(*x) * upstream).sum(), (0, 1, 2, 3))
        return jax.jit(run)(q, k, v, bias)

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), both(ours), both(plain)
    )


def test_no_key_gives_zero():
    q, k, v = jax.random.normal(KEYS[1], (3, 3, 2, 7, 4))
    assert jnp.all(attention(q, k, v, jnp.zeros((3, 1, 7, 7), bool)) == 0)


def test_an_event_sees_its_segment_up_to_itself():
    where = np.asarray(causal(SEGMENTS))[:, 0]
    assert not where[0, :2].any()
    assert where[0, 4].tolist() == [False, False, True, True, True, False, False]
    assert where[1, 4].tolist() == [False, False, False, True, True, False, False]
    assert not where[2].any()


def test_in_both_directions_an_event_sees_all_of_its_segment():
    where = np.asarray(bidirectional(SEGMENTS))[:, 0]
    assert not where[0, :2].any()
    assert where[0, 4].tolist() == [False, False, True, True, True, True, True]
    assert where[1, 1].tolist() == [True, True, True, False, False, False, False]
    assert not where[2].any()
