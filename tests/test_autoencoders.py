"""Mult-DAE, Mult-VAE and RecVAE: the contracts, and what each computes, by NumPy."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.data.batches import Users
from jaxrec.errors import InputError
from jaxrec.models.mult_dae import MultDAEConfig
from jaxrec.models.mult_vae import MultVAEConfig
from jaxrec.models.recvae import RecVAEConfig
from jaxrec.reconstruction import Alternating, Reconstruction
from jaxrec.typing import Spec
from tests.contracts import ModelContract, eight_devices_later, random_batch


class TestMultDAE(ModelContract):
    config = MultDAEConfig(embed_dim=8)
    objective = Reconstruction(decay=1e-5)
    batches = Users(batch_size=32)
    test_eight_devices_give_the_loss_of_one = eight_devices_later


class TestMultVAE(ModelContract):
    config = MultVAEConfig(embed_dim=4, hidden_dims=(16,))
    objective = Reconstruction(anneal_steps=100)
    batches = Users(batch_size=32)


class TestRecVAE(ModelContract):
    config = RecVAEConfig(embed_dim=4, hidden_dim=16, num_layers=3)
    objective = Alternating(encoder_steps=3, decoder_steps=1)
    batches = Users(batch_size=32)


SMALL = {
    MultDAEConfig: {"embed_dim": 3, "hidden_dims": (5,)},
    MultVAEConfig: {"embed_dim": 3, "hidden_dims": (5,)},
    RecVAEConfig: {"embed_dim": 3, "hidden_dim": 5, "num_layers": 3},
}


def last_of(batch):
    """The batch with one query, after all events."""
    one = {name: getattr(batch, name)[:, -1:] for name in ("queries", "target", "value")}
    return batch.replace(**one, weights=jnp.ones_like(batch.weights[:, -1:]))


@functools.cache
def started(kind):
    """A model, its variables with all biases away from zero, and a batch."""
    model = kind(**SMALL[kind], dropout=0.0).build(Spec(8, 20, 6))
    batch = last_of(random_batch(size=8, length=6))
    variables = jax.jit(functools.partial(model.init, method="predict"))(jax.random.key(0), batch)
    random = np.random.default_rng(1)
    moved = jax.tree.map(
        lambda x: x + jnp.asarray(0.3 * random.normal(size=x.shape), x.dtype), variables["params"]
    )
    return model, {**variables, "params": moved}, batch


def bags_of(batch):
    """The 0/1 vectors of the histories, column 0 of no item, and the same at length 1."""
    bag = np.zeros((len(batch.history), 21))
    for row, (items, where) in enumerate(zip(batch.history, batch.where, strict=True)):
        bag[row, np.asarray(items)[np.asarray(where)]] = 1
    return bag, bag / np.maximum(np.linalg.norm(bag, axis=1, keepdims=True), 1e-9)


def dense(params, x):
    return x @ np.asarray(params["kernel"]) + np.asarray(params["bias"])


def first_of(params, bag):
    weight = np.asarray(params["item_weight"]["embedding"])
    return bag @ weight[:21] + np.asarray(params["bias"])


def scores_of_state(params, state):
    vector, bias = (np.asarray(params[f"item_{x}"]["embedding"])[:21] for x in ("vector", "bias"))
    return state @ vector.T + bias[:, 0]


def tanh_layers(params, batch):
    _, bag = bags_of(batch)
    hidden = np.tanh(first_of(params["encoder"]["items"], bag))
    return dense(params["encoder"]["Dense_0"], hidden)


def normal(params, x):
    """A layer norm with the authors' ε."""
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt(np.square(centred).mean(-1, keepdims=True) + 0.1)
    return scaled * np.asarray(params["scale"]) + np.asarray(params["bias"])


def dense_set(params, bag):
    """RecVAE's encoder, as its authors write it for three layers."""
    swish = lambda x: x / (1 + np.exp(-x))  # noqa: E731
    h1 = normal(params["LayerNorm_0"], swish(first_of(params["items"], bag)))
    h2 = normal(params["LayerNorm_1"], swish(dense(params["Dense_0"], h1) + h1))
    h3 = normal(params["LayerNorm_2"], swish(dense(params["Dense_1"], h2) + h1 + h2))
    return dense(params["Dense_2"], h3)


@functools.partial(jax.jit, static_argnums=0)
def scores(model, variables, batch):
    def ask(model, batch):
        return model.score(model.encode_user(batch), model.encode_item(batch.catalogue.items))

    return model.apply(variables, batch, method=ask)[:, 0]


def test_the_denoising_autoencoder_is_four_products():
    model, variables, batch = started(MultDAEConfig)
    params = variables["params"]
    state = np.tanh(tanh_layers(params, batch))
    state = np.tanh(dense(params["layers_0"], state))
    expected = scores_of_state(params, state)
    np.testing.assert_allclose(scores(model, variables, batch), expected, rtol=1e-4, atol=1e-5)


def test_the_variational_autoencoder_answers_by_the_mean():
    model, variables, batch = started(MultVAEConfig)
    params = variables["params"]
    mean = tanh_layers(params, batch)[:, :3]
    expected = scores_of_state(params, np.tanh(dense(params["layers_0"], mean)))
    np.testing.assert_allclose(scores(model, variables, batch), expected, rtol=1e-4, atol=1e-5)


def test_recvae_adds_up_the_layers_before():
    model, variables, batch = started(RecVAEConfig)
    params = variables["params"]
    mean = dense_set(params["encoder"], bags_of(batch)[1])[:, :3]
    expected = scores_of_state(params, mean)
    np.testing.assert_allclose(scores(model, variables, batch), expected, rtol=1e-4, atol=1e-5)


@functools.partial(jax.jit, static_argnums=0)
def trained_state(model, variables, batch, key):
    """What training decodes, and the sown loss."""
    state, sown = model.apply(
        variables, batch, True, method="encode_user", rngs={"dropout": key}, mutable=["losses"]
    )
    return state[:, 0], jnp.stack(jax.tree.leaves(sown)).sum()


def test_the_divergence_is_the_closed_form_and_draws_have_the_moments():
    model, variables, batch = started(MultVAEConfig)
    code = tanh_layers(variables["params"], batch)
    mean, variance = code[:, :3], np.exp(code[:, 3:])
    weights = np.array([1, 1, 0, 1, 1, 1, 1, 0])
    each = 0.5 * (variance + mean**2 - 1 - np.log(variance)).sum(1)
    counted = batch.replace(weights=jnp.asarray(weights, jnp.float32)[:, None])
    _, sown = trained_state(model, variables, counted, jax.random.key(1))
    assert sown == pytest.approx((each * weights).sum() / weights.sum(), rel=1e-4)


def test_recvaes_draws_and_divergence_follow_the_mixture():
    """The mean over many draws is the Monte Carlo of NumPy's own draws, with its standard error."""
    model, variables, batch = started(RecVAEConfig)
    _, scaled = bags_of(batch)
    code = dense_set(variables["params"]["encoder"], scaled)
    old = dense_set(variables["alternation"]["old_encoder"], scaled)
    mean, log_variance = code[:, :3], code[:, 3:]

    def density(x, mean, log_variance):
        root = np.sqrt(2 * np.pi * np.exp(log_variance))
        return np.exp(-((x - mean) ** 2) / (2 * np.exp(log_variance))) / root

    noise = np.random.default_rng(0).normal(size=(20_000, *mean.shape))
    z = mean + np.exp(log_variance / 2) * noise
    prior = 0.15 * density(z, 0, 0) + 0.75 * density(z, old[:, :3], old[:, 3:])
    prior += 0.1 * density(z, 0, 10)
    apart = (np.log(density(z, mean, log_variance)) - np.log(prior)).sum(-1)
    each = (apart * 0.005 * np.asarray(batch.where).sum(1)).mean(1)
    draw = jax.vmap(lambda key: trained_state(model, variables, batch, key))
    states, sown = jax.jit(draw)(jax.random.split(jax.random.key(2), 20_000))
    error = 5 * np.hypot(each.std(), sown.std()) / 20_000**0.5
    assert error < 0.05 * each.mean()
    assert sown.mean() == pytest.approx(each.mean(), abs=error)
    found = states[..., :3]
    np.testing.assert_allclose(found.mean(0), mean, atol=5 * z.std(0).max() / 20_000**0.5)
    np.testing.assert_allclose(found.std(0), np.exp(log_variance / 2), rtol=0.05)
    np.testing.assert_array_equal(states[..., 3], 1)


def test_the_prior_of_a_mixture_of_equals_is_the_gaussian():
    model, variables, _ = started(RecVAEConfig)
    model = dataclasses.replace(
        model, config=RecVAEConfig(**SMALL[RecVAEConfig], wide_log_variance=0)
    )
    x, zero = jnp.array([[0.0, 1.0, -2.0]]), jnp.zeros((1, 3))
    found = model.apply(variables, x, zero, zero, method="log_prior")
    np.testing.assert_allclose(found, -(np.log(2 * np.pi) + np.square(x)) / 2, rtol=1e-5)


def test_items_are_dropped_in_training_unless_it_is_the_decoders_turn():
    config = RecVAEConfig(**SMALL[RecVAEConfig], dropout=0.5)
    _, variables, batch = started(RecVAEConfig)
    model = config.build(Spec(8, 20, 6))

    def means(decoding, key):
        turn = {**variables["alternation"], "decoding": jnp.asarray(decoding)}

        def encode(model, batch):
            shown = batch.history, batch.segment_ids, batch.queries
            return model.encoder(*shown, True, model.decoding.value)

        return model.apply(
            {**variables, "alternation": turn}, batch, method=encode, rngs={"dropout": key}
        )

    keys = jax.random.split(jax.random.key(3))
    first, second = (means(False, key) for key in keys)
    assert jnp.abs(first - second).max() > 0.01
    np.testing.assert_array_equal(*(means(True, key) for key in keys))
    expected = dense_set(variables["params"]["encoder"], bags_of(batch)[1])
    np.testing.assert_allclose(means(True, keys[0])[:, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", SMALL)
def test_an_item_met_twice_counts_once_and_segments_are_apart(kind):
    """Rows of three events, then of three others; the last three are as good alone."""
    model, variables, batch = started(kind)
    history = jnp.asarray(1 + np.random.default_rng(0).permuted([np.arange(6)] * 8, axis=1), int)
    packed = batch.replace(
        history=history.astype(jnp.int32),
        where=jnp.ones((8, 6), bool),
        segment_ids=jnp.broadcast_to(jnp.array([1, 1, 1, 2, 2, 2], jnp.int32), (8, 6)),
    )
    again = packed.replace(
        history=packed.history.at[:, :3].set(packed.history[:, 3:]),
        segment_ids=jnp.ones((8, 6), jnp.int32),
    )
    found = scores(model, variables, packed)
    np.testing.assert_allclose(scores(model, variables, again), found, rtol=1e-4, atol=1e-5)
    alone = again.replace(segment_ids=jnp.ones((8, 6), jnp.int32).at[:, 0].set(0))
    np.testing.assert_allclose(scores(model, variables, alone), found, rtol=1e-4, atol=1e-5)
    other = packed.replace(segment_ids=jnp.ones((8, 6), jnp.int32))
    assert jnp.abs(scores(model, variables, other) - found).max() > 0.01


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (MultVAEConfig(embed_dim=0), "embed_dim is 0; give a whole number from 1 on"),
        (MultDAEConfig(history_length=0), "history_length is 0; give .*, or None"),
        (RecVAEConfig(mixture=(0.5, 0.5, 0.5)), "mixture is .* whose sum is 1"),
    ],
)
def test_bad_sizes_are_refused(config, message):
    with pytest.raises(InputError, match=message):
        config.build(Spec(3, 20, 6))
