import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.encoders import transformer
from jaxrec.encoders.transformer import (
    Dropout,
    Transformer,
    at_queries,
    attention,
    causal,
    compute_dtype,
    positions,
)

KEYS = jax.random.split(jax.random.key(0), 4)
X = jax.random.normal(KEYS[0], (3, 7, 8))
SEGMENTS = jnp.array(
    [[0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 2, 2, 2, 2], [0, 0, 0, 0, 0, 0, 0]], jnp.int32
)


def make(dropout=0.0, dtype="float32"):
    module = Transformer(10, 2, 2, 16, dropout, jnp.dtype(dtype))
    variables = jax.jit(module.init)(jax.random.key(1), X, SEGMENTS, every(SEGMENTS))

    @jax.jit
    def run(variables, x, segment_ids, queries=None):
        queries = every(segment_ids) if queries is None else queries
        return module.apply(variables, x, segment_ids, queries)

    return run, variables


def every(segment_ids):
    batch, length = segment_ids.shape
    return jnp.broadcast_to(jnp.arange(length, dtype=jnp.int32)[None], (batch, length))


def plain_attention(q, k, v, where):
    """Five lines of NumPy."""
    scores = np.einsum("bhqd,bhkd->bhqk", q, k) / np.sqrt(q.shape[-1])
    weight = np.where(where, np.exp(scores), 0)
    weight /= np.maximum(weight.sum(-1, keepdims=True), 1e-9)
    return np.einsum("bhqk,bhkd->bhqd", weight, v)


@pytest.mark.parametrize("length", [7, 203])
def test_attention_is_the_plain_one(length):
    q, k, v = jax.random.normal(KEYS[1], (3, 3, 2, length, 4))
    where = causal(jnp.repeat(SEGMENTS, 29, axis=1)[:, 203 - length :])
    np.testing.assert_allclose(
        attention(q, k, v, where), plain_attention(q, k, v, where), rtol=1e-5, atol=1e-6
    )


def test_the_gradient_of_attention_is_that_of_autodiff():
    q, k, v = jax.random.normal(KEYS[1], (3, 3, 2, 203, 4))
    upstream = jax.random.normal(KEYS[2], q.shape)
    where = causal(jnp.repeat(SEGMENTS, 29, axis=1))

    def plain(q, k, v):
        scores = jnp.einsum("bhqd,bhkd->bhqk", q, k) / 2
        weight = jnp.where(where, jax.nn.softmax(jnp.where(where, scores, -1e9)), 0)
        return (jnp.einsum("bhqk,bhkd->bhqd", weight, v) * upstream).sum()

    def ours(q, k, v):
        return (attention(q, k, v, where) * upstream).sum()

    found, expected = (jax.grad(f, (0, 1, 2))(q, k, v) for f in (ours, plain))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected
    )


def test_no_key_gives_zero():
    q, k, v = jax.random.normal(KEYS[1], (3, 3, 2, 7, 4))
    assert jnp.all(attention(q, k, v, jnp.zeros((3, 1, 7, 7), bool)) == 0)


def test_the_future_does_not_change_the_past():
    module, variables = make()
    before = module(variables, X, SEGMENTS)
    after = module(variables, X.at[:, 5:].set(9.0), SEGMENTS)
    np.testing.assert_allclose(after[:, :5], before[:, :5], rtol=1e-5, atol=1e-6)
    assert jnp.abs(after[0, 5:] - before[0, 5:]).max() > 0.01


def test_padding_does_not_matter():
    module, variables = make()
    before = module(variables, X, SEGMENTS)
    after = module(variables, X.at[0, :2].set(9.0), SEGMENTS)
    np.testing.assert_allclose(after[0, 2:], before[0, 2:], rtol=1e-5, atol=1e-6)
    shorter = module(variables, X[:1, 2:], SEGMENTS[:1, 2:])
    np.testing.assert_allclose(shorter[0], before[0, 2:], rtol=1e-4, atol=1e-5)


def test_a_row_of_padding_is_finite_in_value_and_gradient():
    module, variables = make()

    def total(variables):
        return module(variables, X, SEGMENTS).sum()

    value, gradient = jax.jit(jax.value_and_grad(total))(variables)
    assert jnp.isfinite(value)
    assert all(jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves(gradient))


def test_packed_segments_answer_as_if_alone():
    module, variables = make()
    packed = module(variables, X, SEGMENTS)[1]
    for part in (slice(0, 3), slice(3, 7)):
        alone = module(variables, X[1:2, part], jnp.ones_like(SEGMENTS[1:2, part]))
        np.testing.assert_allclose(packed[part], alone[0], rtol=1e-4, atol=1e-5)


def test_packing_changes_neither_loss_nor_gradient():
    module, variables = make()
    one = jnp.stack([jnp.roll(X[1], 4, axis=0), X[1]])  # each segment at the end of a row
    segments = jnp.stack([jnp.roll(SEGMENTS[1], 4) == 1, SEGMENTS[1] == 2]).astype(jnp.int32)

    def loss(variables, x, segments):
        return jnp.where((segments > 0)[..., None], module(variables, x, segments) ** 3, 0).sum()

    run = jax.jit(jax.value_and_grad(loss))
    packed, padded = run(variables, X[1:2], SEGMENTS[1:2]), run(variables, one, segments)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), packed, padded
    )


def test_positions_count_back_from_the_last_event():
    expected = [[1, 0, 4, 3, 2, 1, 0], [2, 1, 0, 3, 2, 1, 0], [6, 5, 4, 3, 2, 1, 0]]
    np.testing.assert_array_equal(positions(SEGMENTS), expected)


def test_an_event_sees_its_segment_up_to_itself():
    where = np.asarray(causal(SEGMENTS))[:, 0]
    assert not where[0, :2].any()
    assert where[0, 4].tolist() == [False, False, True, True, True, False, False]
    assert where[1, 4].tolist() == [False, False, False, True, True, False, False]
    assert not where[2].any()


def test_half_precision_is_close_and_answers_in_float32():
    module, variables = make()
    half, _ = make(dtype="bfloat16")
    found = half(variables, X, SEGMENTS)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, module(variables, X, SEGMENTS), atol=0.1)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_dropout_keeps_the_mean_and_drops_the_fraction(rate):
    x = jnp.ones((400, 500))
    out = Dropout(rate).apply({}, x, True, rngs={"dropout": jax.random.key(0)})
    assert out.mean() == pytest.approx(1.0, abs=0.01)
    assert jnp.mean(out == 0) == pytest.approx(rate, abs=0.005)
    assert jnp.all(Dropout(rate).apply({}, x, False) == x)


def test_queries_pick_columns():
    flat = X.reshape(21, 8)
    picked = at_queries(flat, jnp.array([[6], [0], [3]], jnp.int32), 7)
    np.testing.assert_array_equal(picked, jnp.stack([X[0, 6], X[1, 0], X[2, 3]]))
    assert at_queries(flat, every(SEGMENTS), 7) is flat


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_few_queries_answer_as_all_do_in_value_and_gradient(layers):
    module = Transformer(10, layers, 2, 16)
    queries = jnp.array([[6, 2], [2, 5], [0, 1]], jnp.int32)
    variables = module.init(jax.random.key(1), X, SEGMENTS, queries)

    def few(variables):
        found = module.apply(variables, X, SEGMENTS, queries)
        return (found**3).sum(), found

    def all_of_them(variables):
        found = module.apply(variables, X, SEGMENTS, every(SEGMENTS))
        found = jnp.take_along_axis(found, queries[:, :, None], axis=1)
        return (found**3).sum(), found

    runs = (jax.jit(jax.value_and_grad(f, has_aux=True))(variables) for f in (few, all_of_them))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *runs)


def test_the_fused_attention_is_ours_at_events(monkeypatch):
    module, variables = make()
    expected = module(variables, X, SEGMENTS)
    monkeypatch.setattr(transformer, "_fused", lambda q, k: "xla")
    found = make()[0](variables, X, SEGMENTS)
    events = SEGMENTS > 0
    np.testing.assert_allclose(found[events], expected[events], rtol=1e-4, atol=1e-5)


def test_half_precision_and_fused_attention_are_chosen_by_the_device(monkeypatch):
    half = jnp.zeros((2, 200, 1, 64), jnp.bfloat16)
    assert compute_dtype("auto") == jnp.float32
    assert transformer._fused(half, half) is None
    monkeypatch.setattr(transformer, "_compute_capability", lambda: 9.0)
    assert compute_dtype("auto") == jnp.bfloat16
    assert compute_dtype("float32") == jnp.float32
    assert transformer._fused(half, half) == "cudnn"
    assert transformer._fused(half[:, 1:], half) is None  # cuDNN's gradient wants an even length
    assert transformer._fused(*[half.astype(jnp.float32)] * 2) is None
