import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.encoders import transformer
from jaxrec.encoders.attention import causal
from jaxrec.encoders.transformer import (
    Block,
    Transformer,
    angles,
    at_queries,
    compute_dtype,
    positions,
    sinusoids,
    turned,
)
from jaxrec.errors import InputError
from tests.test_attention import SEGMENTS, plain_attention

KEYS = jax.random.split(jax.random.key(0), 4)
X = jax.random.normal(KEYS[0], (3, 7, 8))
VARIANTS = [
    {},
    {"norm": "post"},
    {"positions": "sinusoidal"},
    {"positions": "rotary"},
    {"causal": False},
    {"causal": False, "norm": "post", "positions": "rotary"},
    {"gated": True, "activation": "swiglu"},
    {"positions": "time"},
    {"causal": False, "positions": "time"},
]
every_variant = pytest.mark.parametrize("variant", VARIANTS, ids=str)


def make(dropout=0.0, dtype="float32", **variant):
    module = Transformer(10, 2, 2, 16, dropout, jnp.dtype(dtype), **variant)

    @jax.jit
    def init(key):
        return module.init(key, X, SEGMENTS, every(SEGMENTS), time=time_of(X))

    variables = init(jax.random.key(1))

    @jax.jit
    def run(variables, x, segment_ids, queries=None):
        queries = every(segment_ids) if queries is None else queries
        return module.apply(variables, x, segment_ids, queries, time=time_of(x))

    return run, variables


def time_of(x):
    """Give each event a time by its own vector, so that the two go together."""
    return jnp.round(1e6 + 1e5 * x[:, :, 0]).astype(jnp.int32)


def every(segment_ids):
    batch, length = segment_ids.shape
    return jnp.broadcast_to(jnp.arange(length, dtype=jnp.int32)[None], (batch, length))


def test_attention_drops_in_training_alone_and_needs_no_key_when_it_does_not(monkeypatch):
    monkeypatch.setattr(transformer, "_fused", lambda q, k: "xla")  # which must not be taken
    queries = every(SEGMENTS)
    plain, module = (Transformer(10, 1, 2, 16, attention_dropout=rate) for rate in (0.0, 0.5))
    variables = jax.jit(module.init)(KEYS[3], X, SEGMENTS, queries)
    expected = plain.apply(variables, X, SEGMENTS, queries, True)
    np.testing.assert_array_equal(module.apply(variables, X, SEGMENTS, queries), expected)
    run = jax.jit(lambda key: module.apply(variables, X, SEGMENTS, queries, True, rngs=key))
    found = [run({"dropout": key}) for key in KEYS[:2]]
    assert all(jnp.abs(x - expected)[:2].max() > 0.01 for x in found)
    assert jnp.abs(found[0] - found[1])[:2].max() > 0.01


def test_a_gated_block_is_ten_lines_of_numpy():
    block = Block(2, 16, 0.0, jnp.dtype("float32"), True, "pre", True, "swiglu")
    x, where = X[0], causal(SEGMENTS[:1])
    variables = block.init(KEYS[3], x, where, every(SEGMENTS[:1]), False, None)
    shapes = jax.tree.map(lambda a: a.shape, variables["params"])
    noise = jax.tree.map(
        lambda a: a + 0.3 * jax.random.normal(KEYS[2], a.shape), variables["params"]
    )  # biases and scales at their start would say nothing
    found = block.apply({"params": noise}, x, where, every(SEGMENTS[:1]), False, None)
    p = jax.tree.map(np.asarray, noise)

    def dense(name, a):
        return a @ p[name]["kernel"] + p[name].get("bias", 0)

    def norm(name, a):
        a = (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + 1e-6)
        return a * p[name]["scale"] + p[name]["bias"]

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    a = np.asarray(x)
    qkv = dense("Dense_0", norm("LayerNorm_0", a)).reshape(1, 7, 3, 2, 4).transpose(2, 0, 3, 1, 4)
    mixed = plain_attention(*qkv, np.asarray(where)).transpose(0, 2, 1, 3).reshape(7, 8)
    a = a + sigmoid(dense("Dense_2", a)) * dense("Dense_1", mixed)
    switch, value = np.split(dense("Dense_3", norm("LayerNorm_1", a)), 2, axis=1)
    out = dense("Dense_4", switch * sigmoid(switch) * value)
    np.testing.assert_allclose(found, a + sigmoid(dense("Dense_5", a)) * out, rtol=1e-4, atol=1e-4)
    assert "bias" not in shapes["Dense_3"] | shapes["Dense_4"]


@every_variant
def test_the_future_changes_the_past_of_its_segment_if_that_is_meant(variant):
    module, variables = make(**variant)
    before = module(variables, X, SEGMENTS)
    after = module(variables, X.at[:, 5:].set(jnp.arange(8.0)[None, None]), SEGMENTS)
    np.testing.assert_allclose(after[1, :3], before[1, :3], rtol=1e-5, atol=1e-6)
    moved = jnp.abs(after[:2, 3:5] - before[:2, 3:5]).max((1, 2))
    assert (moved > 0.01).all() if "causal" in variant else (moved < 1e-5).all()
    assert jnp.abs(after[0, 5:] - before[0, 5:]).max() > 0.01


@every_variant
def test_padding_does_not_matter(variant):
    module, variables = make(**variant)
    before = module(variables, X, SEGMENTS)
    after = module(variables, X.at[0, :2].set(9.0), SEGMENTS)
    np.testing.assert_allclose(after[0, 2:], before[0, 2:], rtol=1e-5, atol=1e-6)
    shorter = module(variables, X[:1, 2:], SEGMENTS[:1, 2:])
    np.testing.assert_allclose(shorter[0], before[0, 2:], rtol=1e-4, atol=1e-5)


@every_variant
def test_a_row_of_padding_is_finite_in_value_and_gradient(variant):
    module, variables = make(**variant)

    def total(variables):
        return module(variables, X, SEGMENTS).sum()

    value, gradient = jax.jit(jax.value_and_grad(total))(variables)
    assert jnp.isfinite(value)
    assert all(jnp.all(jnp.isfinite(g)) for g in jax.tree.leaves(gradient))


@every_variant
def test_packed_segments_answer_as_if_alone(variant):
    module, variables = make(**variant)
    packed = module(variables, X, SEGMENTS)[1]
    for part in (slice(0, 3), slice(3, 7)):
        alone = module(variables, X[1:2, part], jnp.ones_like(SEGMENTS[1:2, part]))
        np.testing.assert_allclose(packed[part], alone[0], rtol=1e-4, atol=1e-5)


@every_variant
def test_packing_changes_neither_loss_nor_gradient(variant):
    module, variables = make(**variant)
    one = jnp.stack([jnp.roll(X[1], 4, axis=0), X[1]])  # each segment at the end of a row
    segments = jnp.stack([jnp.roll(SEGMENTS[1], 4) == 1, SEGMENTS[1] == 2]).astype(jnp.int32)

    def loss(variables, x, segments):
        return jnp.where((segments > 0)[..., None], module(variables, x, segments) ** 3, 0).sum()

    run = jax.jit(jax.value_and_grad(loss))
    packed, padded = run(variables, X[1:2], SEGMENTS[1:2]), run(variables, one, segments)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), packed, padded
    )


def test_matrices_are_drawn_with_the_scale_given_so_that_small_ones_leave_the_identity():
    kernels = {
        scale: [
            x
            for x in jax.tree.leaves(make(norm="post", kernel_scale=scale)[1]["params"])
            if x.ndim == 2 and x.shape[0] != 10  # the positions' table
        ]
        for scale in (None, 0.02)
    }
    for wide, narrow in zip(*kernels.values(), strict=True):
        assert narrow.std() == pytest.approx(0.02, rel=0.2)
        assert wide.std() == pytest.approx(wide.shape[0] ** -0.5, rel=0.2)
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match=rf"kernel_scale is {wrong}; give a positive"):
            make(kernel_scale=wrong)
    run, variables = make(positions="rotary", norm="post", kernel_scale=1e-6)
    plain = (X - X.mean(-1, keepdims=True)) / X.std(-1, keepdims=True)
    np.testing.assert_allclose(run(variables, X, SEGMENTS)[0], plain[0], atol=1e-3)


def test_positions_count_back_from_the_last_event():
    expected = [[1, 0, 4, 3, 2, 1, 0], [2, 1, 0, 3, 2, 1, 0], [6, 5, 4, 3, 2, 1, 0]]
    np.testing.assert_array_equal(positions(SEGMENTS), expected)


@pytest.mark.parametrize("dim", [6, 7])
def test_sinusoids_are_those_of_the_paper(dim):
    place = np.arange(10)[None, :] * np.ones((2, 1), int)
    rate = 10_000.0 ** (-np.arange(0, dim, 2) / dim)
    angle = place[:, :, None] * rate
    expected = np.concatenate([np.sin(angle), np.cos(angle)], -1)[:, :, :dim]
    np.testing.assert_allclose(sinusoids(jnp.asarray(place), dim), expected, rtol=1e-5, atol=1e-6)


def test_a_turn_is_a_product_with_a_complex_number():
    x = np.asarray(X.reshape(21, 8))
    angle = angles(positions(SEGMENTS), 4).reshape(21, 2)
    halves = x.reshape(21, 2, 2, 2)
    product = (halves[:, :, 0] + 1j * halves[:, :, 1]) * np.exp(1j * np.asarray(angle))[:, None]
    expected = np.stack([product.real, product.imag], 2).reshape(21, 8)
    found = turned(jnp.asarray(x), angle, 2)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_turned_products_depend_on_the_distance_alone():
    place = jnp.arange(7, dtype=jnp.int32)[None]
    same = jnp.broadcast_to(X[0, :1], (7, 8))
    other = jnp.broadcast_to(X[1, :1], (7, 8))
    q, k = (np.asarray(turned(x, angles(place, 8)[0], 1)) for x in (same, other))
    products = q @ k.T
    for distance in range(-6, 7):
        along = np.diagonal(products, distance)
        np.testing.assert_allclose(along, along[0], rtol=1e-4, atol=1e-4)
    assert np.abs(products[0] - products[0, 0]).max() > 0.1


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary", "time"])
def test_order_is_told_to_a_bidirectional_transformer(positions):
    module, variables = make(causal=False, positions=positions)
    variables = jax.tree.map(lambda x: 3 * x, variables)
    before = module(variables, X, SEGMENTS)[0, 6]
    after = module(variables, X[:, jnp.array([0, 1, 4, 3, 2, 5, 6])], SEGMENTS)[0, 6]
    assert jnp.abs(after - before).max() > 1e-3


def test_rotary_positions_refuse_heads_of_odd_width():
    module = Transformer(10, 1, 8, 16, positions="rotary")
    with pytest.raises(InputError, match=r"embed_dim is 8, .* give a multiple of 2 \* .*, 16"):
        module.init(jax.random.key(0), X, SEGMENTS, every(SEGMENTS))


def test_positions_by_time_need_times_and_read_them(monkeypatch):
    monkeypatch.setattr(transformer, "_fused", lambda q, k: "xla")  # which must not be taken
    module = Transformer(10, 1, 2, 16, positions="time")
    with pytest.raises(InputError, match="the batches do not tell it"):
        module.init(jax.random.key(0), X, SEGMENTS, every(SEGMENTS))

    def run(variables, time):
        return module.apply(variables, X, SEGMENTS, every(SEGMENTS), time=time)

    variables = module.init(jax.random.key(0), X, SEGMENTS, every(SEGMENTS), time=time_of(X))
    tables = jax.tree.map(lambda x: 50 * x, variables["params"]["RelativeBias_0"])
    variables = {"params": variables["params"] | {"RelativeBias_0": tables}}
    before = run(variables, time_of(X))
    np.testing.assert_array_equal(run(variables, time_of(X) + 5000), before)
    after = run(variables, time_of(X).at[:, 5].add(3_000_000))  # and of these the last column alone
    np.testing.assert_array_equal(after[:, :5], before[:, :5])
    assert jnp.abs(after[:2, 5:] - before[:2, 5:]).max((1, 2)).min() > 1e-4


def test_half_precision_is_close_and_answers_in_float32():
    module, variables = make()
    half, _ = make(dtype="bfloat16")
    found = half(variables, X, SEGMENTS)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, module(variables, X, SEGMENTS), atol=0.1)


def test_queries_pick_columns():
    flat = X.reshape(21, 8)
    picked = at_queries(flat, jnp.array([[6], [0], [3]], jnp.int32), 7)
    np.testing.assert_array_equal(picked, jnp.stack([X[0, 6], X[1, 0], X[2, 3]]))
    assert at_queries(flat, every(SEGMENTS), 7) is flat


@pytest.mark.parametrize(
    ("layers", "variant"), [(0, {}), (1, {}), *((2, variant) for variant in VARIANTS)], ids=str
)
def test_few_queries_answer_as_all_do_in_value_and_gradient(layers, variant):
    module = Transformer(10, layers, 2, 16, **variant)
    queries = jnp.array([[6, 2], [2, 5], [0, 1]], jnp.int32)
    time = time_of(X)
    variables = module.init(jax.random.key(1), X, SEGMENTS, queries, time=time)

    def few(variables):
        found = module.apply(variables, X, SEGMENTS, queries, time=time)
        return (found**3).sum(), found

    def all_of_them(variables):
        found = module.apply(variables, X, SEGMENTS, every(SEGMENTS), time=time)
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
