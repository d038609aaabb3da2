import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.errors import InputError
from jaxrec.similarity import Cosine, Dot, Mlp, dot, max_dot, unit

KEYS = jax.random.split(jax.random.key(0), 3)
USER = jax.random.normal(KEYS[0], (3, 2, 4))
SHARED = jax.random.normal(KEYS[1], (5, 4))
OWN = jax.random.normal(KEYS[2], (3, 5, 4))


def bind(config):
    """Turn a similarity's config into one function of vectors."""
    similarity = config.build()
    if not hasattr(similarity, "init"):
        return lambda user, item: similarity(similarity.user(user), similarity.item(item))

    def whole(module, user, item):
        return module(module.user(user), module.item(item))

    variables = similarity.init(jax.random.key(1), USER, SHARED, method=whole)
    return lambda user, item: similarity.apply(variables, user, item, method=whole)


@pytest.mark.parametrize("config", [Dot(), Cosine(), Mlp((8,)), Mlp((8, 6))])
def test_shared_items_and_candidates_score_alike(config):
    score = bind(config)
    shared = score(USER, SHARED)
    assert shared.shape == (3, 2, 5)
    copies = jnp.broadcast_to(SHARED[None], (3, 5, 4))
    np.testing.assert_allclose(score(USER, copies), shared, rtol=1e-5, atol=1e-6)
    one = score(USER[1:2, 1:], OWN[1:2, 3:4])
    np.testing.assert_allclose(one[0, 0, 0], score(USER, OWN)[1, 1, 3], rtol=1e-5)


@pytest.mark.parametrize("queries", [1, 7])
def test_dot_is_the_sum_of_products(queries):
    user = jax.random.normal(KEYS[0], (3, queries, 4))
    expected = np.einsum("bqd,bnd->bqn", user, OWN)
    np.testing.assert_allclose(dot(user, OWN), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("item", [SHARED, OWN], ids=["shared", "candidates"])
def test_max_dot_is_the_largest_of_the_products(item):
    user = jax.random.normal(KEYS[0], (3, 2, 3, 4))
    candidates = np.broadcast_to(item, (3, 5, 4))
    expected = np.einsum("bqkd,bnd->bqkn", user, candidates).max(2)
    np.testing.assert_allclose(max_dot(user, item), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(max_dot(user[:, :, :1], item), dot(user[:, :, 0], item))


def test_cosine_by_hand():
    user, item = jnp.array([[[3.0, 4.0]]]), jnp.array([[4.0, 3.0], [-30.0, -40.0], [0.0, 0.0]])
    np.testing.assert_allclose(bind(Cosine(0.5))(user, item)[0, 0], [1.92, -2.0, 0.0], rtol=1e-6)


def test_the_unit_of_zero_has_a_finite_gradient():
    gradient = jax.grad(lambda x: unit(x).sum())(jnp.zeros(3))
    assert jnp.all(jnp.isfinite(gradient))


def test_the_split_mlp_is_an_mlp_over_the_concatenation():
    module = Mlp((8, 6)).build()
    variables = module.init(KEYS[0], USER, SHARED, method=lambda m, u, i: m(m.user(u), m.item(i)))
    p = jax.tree.map(np.asarray, variables["params"])
    pair = np.concatenate([USER[2, 1], SHARED[4]])
    kernel = np.concatenate([p["user_part"]["kernel"], p["item_part"]["kernel"]])
    hidden = np.maximum(pair @ kernel + p["item_part"]["bias"], 0)
    hidden = np.maximum(hidden @ p["others_0"]["kernel"] + p["others_0"]["bias"], 0)
    expected = hidden @ p["last"]["kernel"] + p["last"]["bias"]
    scores = module.apply(variables, USER, SHARED, method=lambda m, u, i: m(m.user(u), m.item(i)))
    np.testing.assert_allclose(scores[2, 1, 4], expected[0], rtol=1e-5)


def test_which_ones_an_index_can_serve():
    assert Dot.inner_product
    assert Cosine.inner_product
    assert not Mlp().build().inner_product


def test_an_mlp_without_layers_is_refused():
    with pytest.raises(InputError, match="give at least one width"):
        Mlp(()).build()


def test_the_gradient_of_the_shared_dot_is_that_of_autodiff():
    upstream = jax.random.normal(KEYS[0], (3, 2, 5))

    def run(product):
        return jax.vjp(product, USER, SHARED)[1](upstream)

    expected = run(lambda user, item: user @ item.T)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), run(dot), expected
    )


def test_the_items_gradient_is_compiled_without_a_transposed_matrix_of_scores():
    """Which takes a product that gives [dim, items]; XLA would turn it around if it could."""

    def loss(user, item):
        return (dot(user, item) ** 2).sum()

    user, item = jnp.ones((8, 25, 16)), jnp.ones((300, 16))
    program = jax.jit(jax.grad(loss, 1)).lower(user, item).compile().as_text()
    assert "f32[16,300]" in program
    assert not re.search(r"f32\[300,16\]\S* (dot|custom-call)\(", program)
