import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.encoders import transformer
from jaxrec.encoders.transformer import (
    Block,
    Dropout,
    Transformer,
    angles,
    at_queries,
    attention,
    bidirectional,
    causal,
    compute_dtype,
    positions,
    sinusoids,
    turned,
)
from jaxrec.errors import InputError

KEYS = jax.random.split(jax.random.key(0), 4)
X = jax.random.normal(KEYS[0], (3, 7, 8))
SEGMENTS = jnp.array(
    [[0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 2, 2, 2, 2], [0, 0, 0, 0, 0, 0, 0]], jnp.int32
)
VARIANTS = [
    {},
    {"norm": "post"},
    {"positions": "sinusoidal"},
    {"positions": "rotary"},
    {"causal": False},
    {"causal": False, "norm": "post", "positions": "rotary"},
    {"gated": True, "activation": "swiglu"},
]
every_variant = pytest.mark.parametrize("variant", VARIANTS, ids=str)


def make(dropout=0.0, dtype="float32", **variant):
    module = Transformer(10, 2, 2, 16, dropout, jnp.dtype(dtype), **variant)
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


def test_no_key_gives_zero():
    q, k, v = jax.random.normal(KEYS[1], (3, 3, 2, 7, 4))
    assert jnp.all(attention(q, k, v, jnp.zeros((3, 1, 7, 7), bool)) == 0)


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


def test_positions_count_back_from_the_last_event():
    expected = [[1, 0, 4, 3, 2, 1, 0], [2, 1, 0, 3, 2, 1, 0], [6, 5, 4, 3, 2, 1, 0]]
    np.testing.assert_array_equal(positions(SEGMENTS), expected)


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


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary"])
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


def test_dropout_is_a_hash_of_the_key_and_the_place():
    """As in NumPy's whole numbers, where a product of 32-bit words is not cut off by itself."""
    key = jax.random.key(3)
    first, second = (int(word) for word in jax.random.key_data(key))

    class Keyed(Dropout):
        def make_rng(self, name="params"):
            return key

    def mixed(word):
        word = (word ^ (word >> 16)) * 0x85EBCA6B & 0xFFFFFFFF
        word = (word ^ (word >> 13)) * 0xC2B2AE35 & 0xFFFFFFFF
        return word ^ (word >> 16)

    words = [mixed(mixed((number + first) & 0xFFFFFFFF) ^ second) for number in range(60)]
    kept = (np.array(words) >= 0.3 * 2**32).reshape(4, 15)
    found = Keyed(0.3).apply({}, jnp.ones((4, 15)), True)
    np.testing.assert_allclose(found, kept / 0.7, rtol=1e-6)


def test_dropout_of_keys_steps_and_neighbours_is_independent():
    x = jnp.ones((256, 256))

    @jax.jit
    def kept(key):
        return Dropout(0.5).apply({}, x, True, rngs={"dropout": key}) > 0

    one = kept(jax.random.key(0))
    others = [kept(jax.random.key(1)), kept(jax.random.fold_in(jax.random.key(0), 1)), one.T]
    others += [jnp.roll(one, steps, axis) for steps in (1, 2, 16) for axis in (0, 1)]
    # Five deviations of the mean of 65,536 throws of a coin.
    assert all(abs((one == other).mean() - 0.5) < 0.01 for other in others)
    # Nor do the numbers of what is dropped in a row spread more or less than throws would.
    assert one.sum(1).std() == pytest.approx(8, abs=1.5)
    assert one.sum(0).std() == pytest.approx(8, abs=1.5)


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
