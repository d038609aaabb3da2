import jax
import jax.numpy as jnp
import numpy as np

from jaxrec.encoders.mlp import MLP

X = jax.random.normal(jax.random.key(0), (5, 3, 4))


def test_the_last_layer_is_linear():
    module = MLP((6, 2))
    variables = module.init(jax.random.key(1), X)
    p = jax.tree.map(np.asarray, variables["params"])
    hidden = np.maximum(np.asarray(X) @ p["Dense_0"]["kernel"] + p["Dense_0"]["bias"], 0)
    expected = hidden @ p["Dense_1"]["kernel"] + p["Dense_1"]["bias"]
    np.testing.assert_allclose(module.apply(variables, X), expected, rtol=1e-5, atol=1e-6)


def test_dropout_is_for_training_only():
    module = MLP((64, 2), dropout=0.5)
    variables = module.init(jax.random.key(1), X)
    answers = [
        module.apply(variables, X, True, rngs={"dropout": jax.random.key(k)}) for k in (0, 1)
    ]
    assert jnp.abs(answers[0] - answers[1]).max() > 0
    np.testing.assert_array_equal(module.apply(variables, X), module.apply(variables, X))
