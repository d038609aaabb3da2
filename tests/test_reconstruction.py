"""The bound against its plain formula, its annealing, and turns of encoder and decoder."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jaxrec.checkpoint import Checkpoints
from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences, Users
from jaxrec.data.prepare import DataConfig
from jaxrec.data.resident import resident
from jaxrec.errors import InputError
from jaxrec.models.mult_dae import MultDAEConfig
from jaxrec.models.mult_vae import MultVAEConfig
from jaxrec.models.recvae import RecVAEConfig
from jaxrec.objectives import FullSoftmax
from jaxrec.optimizer import Adam
from jaxrec.reconstruction import Alternating, Reconstruction
from jaxrec.sharding import make_mesh, replicate
from jaxrec.train_state import create
from jaxrec.train_step import make_train_steps
from tests.contracts import checkerboard, spec_of

PREPARED = checkerboard()
BATCHES = Users(batch_size=16)
VAE = MultVAEConfig(embed_dim=3, hidden_dims=(5,))
RECVAE = RecVAEConfig(embed_dim=3, hidden_dim=5, num_layers=2)


@functools.cache
def compiled(config, objective, accumulate=1):
    """The state that a run starts from, as a function, its steps, their batches, and the model."""
    mesh = make_mesh(devices=jax.devices()[:1])
    built = BATCHES.build(PREPARED.split.train, resident(PREPARED, PREPARED.split.train), 0)
    built = dataclasses.replace(built, data=replicate(built.data, mesh))
    model, tx = config.build(spec_of(PREPARED)), Adam(learning_rate=0.01).build(8)
    key = jax.random.key(1)
    run = make_train_steps(model, objective, tx, built.batch_at, key, mesh, accumulate=accumulate)
    return lambda: create(model, tx, built, jax.random.key(0), mesh, False), run, built, model


@functools.cache
def states(config, objective, accumulate=1):
    """The states before each of the first seven steps and after them, and what the steps logged."""
    start, run, built, _ = compiled(config, objective, accumulate)
    state = start()
    found, logged = [jax.device_get(state)], []
    for _ in range(7):
        state, metrics = run(state, built.data, jnp.int32(1))
        found.append(jax.device_get(state))
        logged.append(metrics)
    return found, logged


def plain(params, model, batch, key, step, objective):
    """-Σ_i x_i log softmax(s)_i + min(step / T, β) KL + λ Σ W², over the users that count."""
    user_key, _ = jax.random.split(key)
    user, sown = model.apply(
        {"params": params},
        batch,
        True,
        method="encode_user",
        rngs={"dropout": user_key},
        mutable=["losses"],
    )
    item = model.apply({"params": params}, batch.catalogue.items, method="encode_item")
    scores = user[:, 0] @ item[1:].T
    bag = jax.nn.one_hot(batch.history - 1, scores.shape[1]).max(1)
    loss = -(bag * jax.nn.log_softmax(scores)).sum(-1)
    weights = batch.weights[:, 0]
    total = (loss * weights).sum() / weights.sum()
    for divergence in jax.tree.leaves(sown):
        total += min(step / objective.anneal_steps, objective.kl_cap) * divergence
    for path, weight in flatten_dict(params).items():
        if path[-1] == "kernel" or (path[-1] == "embedding" and path[-2] != "item_bias"):
            total += objective.decay * (weight**2).sum()
    return total


@pytest.mark.parametrize("config", [VAE, MultDAEConfig(embed_dim=3)], ids=["vae", "dae"])
def test_the_loss_and_its_gradient_are_those_of_the_plain_formula(config):
    objective = Reconstruction(kl_cap=0.5, anneal_steps=10, decay=0.01)
    start, _, built, model = compiled(config, objective)
    batch = jax.jit(built.batch_at)(built.data, jnp.int32(0))
    batch = batch.replace(weights=batch.weights.at[3].set(0.0))
    params, key = start().params, jax.random.key(7)

    def loss(params):
        variables = {"params": params, "progress": {"step": jnp.int32(3)}}
        return objective(model.apply, variables, batch, key)[0]

    expected = jax.jit(jax.value_and_grad(lambda x: plain(x, model, batch, key, 3, objective)))(
        params
    )
    found = jax.jit(jax.value_and_grad(loss))(params)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected
    )


def test_the_divergence_counts_more_and_more():
    objective = Reconstruction(kl_cap=0.2, anneal_steps=20)
    weights = [float(objective.kl_weight(jnp.int32(step))) for step in (0, 2, 4, 5, 1000)]
    assert weights == pytest.approx([0, 0.1, 0.2, 0.2, 0.2])
    assert objective.kl_weight(None) == pytest.approx(0.2)
    assert Reconstruction(anneal_steps=0).kl_weight(jnp.int32(0)) == pytest.approx(0.2)
    # And as training asks.
    _, logged = states(VAE, objective)
    found = [metrics["kl_weight"] for metrics in logged]
    np.testing.assert_allclose(found, [0, 0.05, 0.1, 0.15, 0.2, 0.2, 0.2], rtol=1e-6)
    assert logged[0]["divergence"] > 0


TURNS = Alternating(encoder_steps=2, decoder_steps=2)


def half(tree, encoder):
    """The parameters of the encoder, or the others."""
    flat = flatten_dict(tree, sep="/")
    return {path: x for path, x in flat.items() if path.startswith("encoder/") == encoder}


def moments(state, name):
    """Adam's means of gradients ("mu") or of their squares ("nu")."""
    return getattr(state.opt_state[1], name)


def same(first, second):
    return all(np.array_equal(x, y) for x, y in zip(*map(jax.tree.leaves, (first, second))))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_one_half_trains_while_the_other_rests(accumulate):
    found, _ = states(RECVAE, TURNS, accumulate)
    for step, (before, after) in enumerate(itertools.pairwise(found)):
        decoding = step in (2, 3, 6)
        for encoder in (True, False):
            rests = encoder is decoding
            for part in (
                lambda s: s.params,
                lambda s: moments(s, "mu"),
                lambda s: moments(s, "nu"),
            ):
                old, new = half(part(before), encoder), half(part(after), encoder)
                for path in old:
                    # Row 0 and filled-up rows aside, all parameters have a gradient.
                    assert np.array_equal(old[path], new[path]) == rests, (step, path)
        assert bool(after.collections["alternation"]["decoding"]) == decoding


def test_the_old_encoder_is_that_of_the_last_turn():
    found, _ = states(RECVAE, TURNS)
    old = [state.collections["alternation"]["old_encoder"] for state in found]
    assert same(old[0], old[1])
    assert same(old[0], old[2])
    assert not same(old[0], found[0].params["encoder"])
    for step in (3, 4, 5, 6):
        assert same(old[step], found[2].params["encoder"])
    assert same(old[7], found[6].params["encoder"])


def test_a_decoders_step_is_that_of_adam_on_it_alone():
    """Against the same gradient by jax.grad, with the moments that the decoder has had so far."""
    _, _, built, model = compiled(RECVAE, TURNS)
    _, _, state, after, *_ = states(RECVAE, TURNS)[0]
    batch, key = built.batch_at(built.data, jnp.int32(2)), jax.random.fold_in(jax.random.key(1), 2)
    turn = {"old_encoder": state.params["encoder"], "decoding": jnp.bool_(True)}

    def loss(decoder):
        params = {**decoder, "encoder": state.params["encoder"]}
        variables = {"params": params, "alternation": turn}
        return Reconstruction(kl_cap=1.0, anneal_steps=0)(model.apply, variables, batch, key)[0]

    decoder = {name: x for name, x in state.params.items() if name != "encoder"}
    grads = jax.jit(jax.grad(loss))(decoder)
    for name, grad in grads.items():
        g = np.asarray(grad["embedding"], np.float64)
        first, second = 0.1 * g / (1 - 0.9**3), 0.001 * g * g / (1 - 0.999**3)
        expected = decoder[name]["embedding"] - 0.01 * first / (np.sqrt(second) + 1e-8)
        np.testing.assert_allclose(after.params[name]["embedding"], expected, atol=1e-4)


def test_a_resumed_run_keeps_the_old_encoder(tmp_path):
    """Saved in the decoder's turn, it ends with the very bits of a run that went on."""
    start, run, built, _ = compiled(RECVAE, TURNS)
    state, _ = run(start(), built.data, jnp.int32(3))
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        checkpoints.save(state, 3, 3)
        resumed = checkpoints.restore_latest(start(), print)
    assert same(resumed.collections, states(RECVAE, TURNS)[0][3].collections)
    resumed, _ = run(resumed, built.data, jnp.int32(4))
    jax.tree.map(np.testing.assert_array_equal, resumed, states(RECVAE, TURNS)[0][7])


def test_batches_that_hide_nothing_need_an_objective_that_reconstructs():
    fine = Config(DataConfig(), VAE, Reconstruction(), Users())
    assert dataclasses.replace(fine, objective=Alternating())
    with pytest.raises(InputError, match=r"Users\) show the model every item"):
        dataclasses.replace(fine, objective=FullSoftmax())


def test_what_does_not_fit_is_refused():
    start, _, built, model = compiled(VAE, Reconstruction())
    batch, variables = built.batch_at(built.data, jnp.int32(0)), {"params": start().params}
    with pytest.raises(InputError, match="keeps no old encoder; let it be RecVAE"):
        Alternating()(model.apply, variables, batch, jax.random.key(0))
    packed = PackedSequences(4, 30).build(
        PREPARED.split.train, resident(PREPARED, PREPARED.split.train), 0
    )
    with pytest.raises(InputError, match=r"ask 30 times of a history.*let them be Users"):
        Reconstruction()(
            model.apply, variables, packed.batch_at(packed.data, jnp.int32(0)), jax.random.key(0)
        )
    with pytest.raises(InputError, match="kl_cap is -1; give a number from 0 on"):
        Reconstruction(kl_cap=-1)
    with pytest.raises(InputError, match="decoder_steps is 0; give a whole number from 1 on"):
        Alternating(decoder_steps=0)
