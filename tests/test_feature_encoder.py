import jax
import jax.numpy as jnp
import numpy as np

from jaxrec.encoders.features import FeatureEncoder
from jaxrec.typing import FeatureSpec

SPECS = (
    FeatureSpec("kind", "categorical", 5),
    FeatureSpec("tags", "multi_categorical", 6),
    FeatureSpec("title", "tokens", 9),
    FeatureSpec("age", "numeric", 2),
    FeatureSpec("image", "dense", 3),
)
FEATURES = {
    "kind": jnp.array([0, 4], jnp.int32),
    "tags": jnp.array([[2, 5, 0], [0, 0, 0]], jnp.int32),
    "title": jnp.array([[8, 8], [7, 0]], jnp.int32),
    "age": jnp.array([[0.5, 1.0], [0.0, 0.0]]),
    "image": jnp.arange(6.0).reshape(2, 3),
}


def test_every_kind_has_its_part_of_the_vector():
    module = FeatureEncoder(SPECS, embed_dim=4)
    variables = module.init(jax.random.key(0), FEATURES)
    tables = {
        name: variables["params"][f"tables_{name}"]["embedding"]
        for name in ("kind", "tags", "title")
    }
    expected = np.concatenate(
        [
            tables["kind"][jnp.array([0, 4])],
            jnp.stack([(tables["tags"][2] + tables["tags"][5]) / 2, jnp.zeros(4)]),
            jnp.stack([tables["title"][8], tables["title"][7]]),
            FEATURES["age"],
            FEATURES["image"],
        ],
        axis=1,
    )
    np.testing.assert_allclose(module.apply(variables, FEATURES), expected, rtol=1e-6)


def test_leading_axes_are_free():
    module = FeatureEncoder(SPECS, embed_dim=4)
    variables = module.init(jax.random.key(0), FEATURES)
    deeper = {name: jnp.stack([x, x, x]) for name, x in FEATURES.items()}
    found = module.apply(variables, deeper)
    assert found.shape == (3, 2, 3 * 4 + 5)
    np.testing.assert_array_equal(found[1], module.apply(variables, FEATURES))
