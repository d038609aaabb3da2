from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import rax

from jaxrec import losses

KEYS = jax.random.split(jax.random.key(0), 5)
SCORES = jax.random.normal(KEYS[0], (3, 4, 6))
LABELS = jax.random.bernoulli(KEYS[1], 0.4, (3, 4, 6)).astype(jnp.float32)
WHERE = jax.random.bernoulli(KEYS[2], 0.7, (3, 4, 6)).at[0, 0].set(False)
WEIGHTS = jax.random.uniform(KEYS[3], (3, 4, 6))
ALL = (losses.squared_error, losses.binary_cross_entropy, losses.bpr, losses.softmax_cross_entropy)
RAX = (
    rax.pointwise_mse_loss,
    rax.pointwise_sigmoid_loss,
    rax.pairwise_logistic_loss,
    rax.softmax_loss,
)


@pytest.mark.parametrize("reduce_fn", [jnp.mean, jnp.sum])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("ours", "theirs"), list(zip(ALL, RAX)))
def test_losses_are_those_of_rax(ours, theirs, weighted, masked, reduce_fn):
    options = {"where": WHERE if masked else None, "weights": WEIGHTS if weighted else None}
    ours = partial(ours, **options, reduce_fn=reduce_fn)
    with jax.numpy_rank_promotion("allow"):
        expected = theirs(SCORES, LABELS, **options, reduce_fn=reduce_fn)
    np.testing.assert_allclose(ours(SCORES, LABELS), expected, rtol=1e-5)


def test_binary_cross_entropy_is_that_of_optax():
    kept = losses.binary_cross_entropy(SCORES, LABELS, reduce_fn=None)
    np.testing.assert_allclose(kept, optax.sigmoid_binary_cross_entropy(SCORES, LABELS), rtol=1e-6)


def test_the_power_of_a_probability_is_that_of_numpy():
    scores = np.array([-3.0, -0.5, 0.7, 2.0])
    p = 1 / (1 + np.exp(-scores))
    positive = losses.binary_cross_entropy(jnp.asarray(scores), jnp.ones(4), beta=0.3)
    assert positive == pytest.approx(np.mean(-np.log(p**0.3)), rel=1e-5)
    negative = losses.binary_cross_entropy(jnp.asarray(scores), jnp.zeros(4), beta=0.3)
    assert negative == pytest.approx(np.mean(-np.log(1 - p)), rel=1e-5)


def test_a_smoothed_label_is_shared_by_what_is_kept():
    scores, where = np.array([2.0, -1.0, 0.5, 9.0]), np.array([True, True, True, False])
    prob = np.exp(scores[:3]) / np.exp(scores[:3]).sum()
    labels = jnp.array([1.0, 0.0, 0.0, 0.0])
    run = jax.value_and_grad(partial(losses.softmax_cross_entropy, smoothing=0.3))
    value, gradient = run(jnp.asarray(scores), labels, where=jnp.asarray(where))
    smoothed = np.array([0.8, 0.1, 0.1])
    assert value == pytest.approx(-(smoothed * np.log(prob)).sum(), rel=1e-5)
    np.testing.assert_allclose(gradient, [*(prob - smoothed), 0], atol=1e-6)


def test_bpr_by_hand():
    loss = losses.bpr(jnp.array([2.0, 1.0, 3.0]), jnp.array([1.0, 0.0, 0.0]))
    expected = (np.log1p(np.exp(-1.0)) + np.log1p(np.exp(1.0))) / 2
    assert loss == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss", ALL)
def test_an_empty_mask_gives_0_and_no_gradient(loss):
    nothing = jnp.zeros(SCORES.shape, bool)
    value, gradient = jax.value_and_grad(loss)(SCORES, LABELS, where=nothing)
    assert value == 0
    assert jnp.all(gradient == 0)


@pytest.mark.parametrize("loss", ALL)
def test_what_is_masked_does_not_matter(loss):
    changed = jnp.where(WHERE, SCORES, 1e4)
    run = jax.value_and_grad(partial(loss, labels=LABELS, where=WHERE))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), run(SCORES), run(changed)
    )


@pytest.mark.parametrize("loss", ALL)
def test_half_precision_is_taken_to_float32(loss):
    assert loss(SCORES.astype(jnp.bfloat16), LABELS).dtype == jnp.float32


def _whole_softmax(user, item, scale, target, weights, extra, where, smoothing):
    scores = jnp.einsum("bqd,nd->bqn", user, item * scale)
    own = jnp.arange(len(item)) == target[..., None]
    if extra is not None:
        scores += jnp.where(own, 0, extra)
    kept = jnp.ones(len(item), bool) if where is None else where
    log_prob = jax.nn.log_softmax(jnp.where(kept, scores, -1e30))
    labels = (1 - smoothing) * own + smoothing * kept / kept.sum()
    return -(weights[..., None] * jnp.where(kept, labels * log_prob, 0)).sum()


EXTRA = jnp.arange(21) / 8
SOME = jnp.arange(21) % 5 > 0


@jax.numpy_rank_promotion("allow")
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize(("extra", "where"), [(None, None), (EXTRA, None), (EXTRA, SOME)])
@pytest.mark.parametrize("chunk", [1, 7, 12, 1000])
def test_the_chunked_softmax_equals_the_whole_one(chunk, extra, where, smoothing):
    options = {"extra": extra, "where": where, "smoothing": smoothing}
    user = jax.random.normal(KEYS[0], (4, 3, 8))
    item = jax.random.normal(KEYS[1], (21, 8))
    target = jax.random.randint(KEYS[2], (4, 3), 0, 21)
    target = jnp.where(SOME[target], target, 1)
    weights = jax.random.uniform(KEYS[3], (4, 3)).at[0].set(0.0)
    target = target.at[0].set(0)

    def chunked(user, item, scale):
        def score(user, item):  # closes over a traced parameter, as a model's score does
            return jnp.einsum("bqd,nd->bqn", user, item * scale)

        return 2 * losses.chunked_softmax(
            score, user, item, target, weights, chunk=chunk, **options
        )

    def whole(user, item, scale):
        return 2 * _whole_softmax(user, item, scale, target, weights, **options)

    arguments = (user, item, jnp.full((1, 8), 1.5))
    found = jax.jit(jax.value_and_grad(chunked, (0, 1, 2)))(*arguments)
    expected = jax.value_and_grad(whole, (0, 1, 2))(*arguments)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5), found, expected
    )
    np.testing.assert_allclose(chunked(*arguments), expected[0], rtol=1e-5)


@jax.numpy_rank_promotion("allow")
@pytest.mark.parametrize("examples", [8, 41])
@pytest.mark.parametrize("chunk", [24, 32, 1000])
def test_where_many_examples_fit_a_chunk_each_is_scored_whole(examples, chunk):
    """So what is worked out once for the queries of an example is right, and its gradient too."""
    user = jax.random.normal(KEYS[0], (examples, 3, 8)).at[:, :, 5:].set(0.5)
    item = jax.random.normal(KEYS[1], (21, 8))
    target = jax.random.randint(KEYS[2], (examples, 3), 0, 21)
    weights = jax.random.uniform(KEYS[3], (examples, 3)).at[0].set(0.0)

    def score(user, item):
        assert user.shape[1:] == (3, 8)
        assert user.shape[0] <= chunk // 3
        own = jnp.einsum("bqd,nd->bqn", user[:, :1, 5:], item[:, 5:])
        return jnp.einsum("bqd,nd->bqn", user[..., :5], item[:, :5]) + own

    def chunked(user, item):
        return losses.chunked_softmax(score, user, item, target, weights, chunk=chunk)

    def whole(user, item):
        user = jnp.concatenate([user[..., :5], jnp.repeat(user[:, :1, 5:], 3, 1)], -1)
        return _whole_softmax(user, item, 1.0, target, weights, None, None, 0.0)

    found, expected = (jax.jit(jax.value_and_grad(f, (0, 1)))(user, item) for f in (chunked, whole))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-5), found, expected
    )


def test_a_chunk_is_chosen_by_the_catalogue_and_the_device(monkeypatch):
    assert 400 <= losses.chunk_for(3417) <= 500
    assert losses.chunk_for(10**7) == 128
    on_cpu = losses.chunk_for(3417)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert losses.chunk_for(3417) > 10 * on_cpu


def test_the_chunked_softmax_stores_no_whole_matrix():
    queries, items, chunk = 4096, 2048, 64
    user, item = jnp.ones((queries, 1, 4)), jnp.ones((items, 4))
    target, weights = jnp.ones((queries, 1), jnp.int32), jnp.ones((queries, 1))

    def loss(user, item):
        score = partial(jnp.einsum, "bqd,nd->bqn")
        return losses.chunked_softmax(score, user, item, target, weights, chunk=chunk)

    compiled = jax.jit(jax.grad(loss, (0, 1))).lower(user, item).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < queries * items * 4 / 8


@pytest.mark.parametrize("size", [1e2, 1e6])
def test_extreme_scores_have_finite_losses_and_gradients(size):
    scores = size * jnp.array([[1.0, -1.0, 0.0], [-1.0, 1.0, 1.0]])
    labels = jnp.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    several = [
        *ALL,
        partial(losses.binary_cross_entropy, beta=1e-3),
        partial(losses.softmax_cross_entropy, smoothing=0.1),
        partial(_chunked, smoothing=0.0),
        partial(_chunked, smoothing=0.1),
    ]
    for loss in several:
        value, gradient = jax.value_and_grad(loss)(scores, labels)
        assert jnp.isfinite(value)
        assert jnp.isfinite(gradient).all()


def _chunked(scores, labels, smoothing):
    """The chunked softmax of given scores: each query's vector picks its own row of them."""
    user = jnp.eye(len(scores))[:, None]
    item, target = scores.T, labels.argmax(-1)[:, None].astype(jnp.int32)
    score = partial(jnp.einsum, "bqd,nd->bqn")
    weights = jnp.ones(target.shape)
    return losses.chunked_softmax(score, user, item, target, weights, chunk=1, smoothing=smoothing)
