import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.errors import InputError
from jaxrec.learned_similarity import MixtureOfLogits, NeuMF, Weighted
from jaxrec.similarity import dot

KEYS = jax.random.split(jax.random.key(0), 4)
DIM = 6
USER = jax.random.normal(KEYS[0], (3, 2, DIM))
SHARED = jax.random.normal(KEYS[1], (5, DIM))
OWN = jax.random.normal(KEYS[2], (3, 5, DIM))
MOL = MixtureOfLogits(user_parts=3, item_parts=2, part_dim=4, gate_dim=7, temperature=0.2)
ALL = pytest.mark.parametrize("config", [Weighted(), NeuMF(2, (8, 5)), MOL], ids=str)


def whole(module, user, item):
    return module(module.user(user), module.item(item))


@functools.partial(jax.jit, static_argnums=0)
def init(module):
    return module.init(KEYS[3], USER, SHARED, method=whole)


@functools.partial(jax.jit, static_argnums=(0, 4))
def ask(module, variables, user, item, method=whole):
    return module.apply(variables, user, item, method=method)


def start(config):
    """A module, and its parameters, of which none is zero or one as at first."""
    module = config.build()
    drawn = init(module)
    leaves, tree = jax.tree.flatten(drawn)
    keys = jax.random.split(KEYS[3], len(leaves))
    drawn = [x + 0.3 * jax.random.normal(key, x.shape) for x, key in zip(leaves, keys)]
    return module, jax.tree.unflatten(tree, drawn)


def numpy_of(variables):
    return jax.tree.map(np.asarray, variables["params"])


@ALL
def test_shared_items_and_candidates_score_alike(config):
    module, variables = start(config)

    def score(user, item):
        return ask(module, variables, user, item)

    shared = score(USER, SHARED)
    assert shared.shape == (3, 2, 5)
    copies = jnp.broadcast_to(SHARED[None], (3, 5, DIM))
    np.testing.assert_allclose(score(USER, copies), shared, rtol=1e-4, atol=1e-5)
    one = score(USER[1:2, 1:], OWN[1:2, 3:4])
    np.testing.assert_allclose(one[0, 0, 0], score(USER, OWN)[1, 1, 3], rtol=1e-4, atol=1e-5)


def test_weighted_is_its_formula_and_an_inner_product():
    module, variables = start(Weighted())
    p = numpy_of(variables)
    user, item = np.asarray(USER[2, 1]), np.asarray(SHARED[4])
    expected = p["both"]["weight"] @ (user * item)
    expected += p["of_user"]["kernel"][:, 0] @ user + p["of_item"]["kernel"][:, 0] @ item
    scores = ask(module, variables, USER, SHARED)
    np.testing.assert_allclose(scores[2, 1, 4], expected, rtol=1e-5)
    users, items = (
        module.apply(variables, x, method=y) for x, y in ((USER, "user"), (SHARED, "item"))
    )
    np.testing.assert_allclose(users @ items.T, scores, rtol=1e-5, atol=1e-5)


def test_weighted_begins_as_a_dot_product():
    module = Weighted().build()
    variables = init(module)
    scores = ask(module, variables, USER, SHARED)
    np.testing.assert_allclose(scores, dot(USER, SHARED), rtol=1e-6, atol=1e-6)


def explicit_neumf(params, user, item):
    """NeuMF as the paper writes it: every pair's vectors joined, then all layers."""
    pair = (
        jnp.broadcast_to(user[:, :, None], (3, 2, 5, DIM)),
        jnp.broadcast_to(item[None, None], (3, 2, 5, DIM)),
    )
    mlp = params["mlp"]
    hidden = jnp.concatenate([x[..., 2:] for x in pair], -1)
    first = jnp.concatenate([mlp[f"{side}_part"]["kernel"] for side in ("user", "item")])
    hidden = jax.nn.relu(hidden @ first + mlp["item_part"]["bias"][None, None, None])
    other = mlp["others_0"]
    hidden = jax.nn.relu(hidden @ other["kernel"] + other["bias"][None, None, None])
    products = pair[0][..., :2] * pair[1][..., :2]
    last = jnp.concatenate([params["factors"]["weight"], mlp["last"]["kernel"][:, 0]])
    return jnp.concatenate([products, hidden], -1) @ last + mlp["last"]["bias"][0]


def test_neumf_is_that_of_explicit_pairs_and_so_are_its_gradients():
    module, variables = start(NeuMF(2, (8, 5)))
    upstream = jax.random.normal(KEYS[0], (3, 2, 5))

    def split(params, user, item):
        return module.apply({"params": params}, user, item, method=whole)

    @functools.partial(jax.jit, static_argnums=0)
    def scores_and_gradients(score, params):
        scores, back = jax.vjp(score, params, USER, SHARED)
        return scores, back(upstream)

    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4),
        scores_and_gradients(split, variables["params"]),
        scores_and_gradients(explicit_neumf, variables["params"]),
    )


def plain_gate(p, x):
    hidden = x @ p["Dense_0"]["kernel"] + p["Dense_0"]["bias"]
    hidden = hidden / (1 + np.exp(-hidden))
    return hidden @ p["Dense_1"]["kernel"] + p["Dense_1"]["bias"]


def test_the_mixture_of_logits_is_the_papers():
    module, variables = start(MOL)
    p, user, item = numpy_of(variables), np.asarray(USER[2, 1]), np.asarray(SHARED[4])
    users = (user @ p["user_part"]["kernel"] + p["user_part"]["bias"]).reshape(3, 4)
    items = (item @ p["item_part"]["kernel"] + p["item_part"]["bias"]).reshape(2, 4)
    users, items = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (users, items))
    cosines = (users @ items.T).reshape(-1)
    gate = plain_gate(p["user_gate"], user) * plain_gate(p["item_gate"], item)
    gate = gate + plain_gate(p["pair_gate"], cosines)
    odds = np.exp(gate / (1 + np.exp(-gate)))
    expected = (odds / odds.sum()) @ cosines / 0.2
    scores = ask(module, variables, USER, SHARED)
    np.testing.assert_allclose(scores[2, 1, 4], expected, rtol=1e-4)


def test_the_weights_of_a_mixture_sum_to_one_and_scores_are_bounded():
    module, variables = start(MOL)

    def mixture(module, user, item):
        return module.mixture(module.user(user), module.item(item))

    for item in (SHARED, OWN):
        cosines, weights = ask(module, variables, USER, item, mixture)
        np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
        assert weights.min() > 0
        assert weights.std(axis=(0, 1, 2)).min() > 0.01, "they depend on the pair"
        assert jnp.abs(cosines).max() <= 1 + 1e-5


def test_which_ones_an_index_can_serve():
    for config, serves in ((Weighted(), True), (NeuMF(), False), (MOL, False)):
        assert config.inner_product is config.build().inner_product is serves


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (NeuMF(0), "give a factor and a width"),
        (NeuMF(hidden_dims=()), "give a factor and a width"),
        (MixtureOfLogits(user_parts=0), "user_parts is 0; give a whole number from 1 on"),
        (MixtureOfLogits(temperature=0), "temperature is 0; give a number above 0"),
    ],
)
def test_bad_sizes_are_refused(config, message):
    with pytest.raises(InputError, match=message):
        config.build()


def test_neumf_leaves_the_mlp_some_dimensions():
    with pytest.raises(InputError, match="vectors have 6 dimensions; give fewer"):
        NeuMF(DIM).build().init(KEYS[3], USER, SHARED, method=whole)
