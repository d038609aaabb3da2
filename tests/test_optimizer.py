import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxrec.optimizer import Adagrad, Adam, OptimizerConfig, Sgd

PARAMS = {"kernel": jnp.full((2, 2), 2.0), "bias": jnp.array([1.0, -1.0])}
GRADS = {"kernel": jnp.full((2, 2), 3.0), "bias": jnp.array([4.0, 0.0])}


def updates_of(tx, steps=3):
    """The updates of a few steps with constant gradients."""
    state, found = tx.init(PARAMS), []
    for _ in range(steps):
        updates, state = tx.update(GRADS, state, PARAMS)
        found.append(updates)
    return found


@pytest.mark.parametrize(
    ("config", "oracle"),
    [
        (Adam(learning_rate=0.1), optax.adam(0.1)),
        (Sgd(learning_rate=0.1), optax.sgd(0.1)),
        (Sgd(learning_rate=0.1, momentum=0.9, nesterov=True), optax.sgd(0.1, 0.9, nesterov=True)),
        (Adagrad(learning_rate=0.1), optax.adagrad(0.1)),
        (
            Adam(learning_rate=0.1, weight_decay=0.01),
            optax.adamw(0.1, weight_decay=0.01, mask={"kernel": True, "bias": False}),
        ),
        (
            Adam(learning_rate=0.1, clip_norm=1.0),
            optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.1)),
        ),
    ],
)
def test_the_updates_are_those_of_optax(config, oracle):
    for ours, theirs in zip(updates_of(config.build(10)), updates_of(oracle)):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), ours, theirs)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (Adam(1.0), [1, 1, 1, 1, 1]),
        (Adam(1.0, schedule="linear"), [1, 0.75, 0.5, 0.25, 0]),
        (Adam(1.0, schedule="cosine", end_fraction=0.5), [1, 0.9268, 0.75, 0.5732, 0.5]),
        (Adam(1.0, warmup_steps=2), [1 / 3, 2 / 3, 1, 1, 1]),
        (Adam(1.0, schedule="linear", warmup_steps=2), [1 / 3, 2 / 3, 1, 0.5, 0]),
    ],
)
def test_the_step_size_moves_as_asked(config, expected):
    schedule = config.step_size(4)
    np.testing.assert_allclose([schedule(step) for step in range(5)], expected, atol=1e-4)


def test_the_base_class_is_no_optimizer():
    with pytest.raises(NotImplementedError, match="use Adam, Sgd or Adagrad"):
        OptimizerConfig().build(1)
