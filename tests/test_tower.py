import jax
import jax.numpy as jnp
import numpy as np

from jaxrec.encoders.tower import Tower, at_each_query
from jaxrec.typing import FeatureSpec

SPECS = (FeatureSpec("kind", "categorical", 5), FeatureSpec("age", "numeric", 2))
FEATURES = {"kind": jnp.array([3, 4], jnp.int32), "age": jnp.array([[0.5, 1.0], [0.0, 0.0]])}
VECTORS = [jax.random.normal(key, (2, 3, 4)) for key in jax.random.split(jax.random.key(0))]


def test_a_tower_reads_vectors_and_features():
    module = Tower(SPECS, 6, (8, 5))
    features = at_each_query(FEATURES, 3)
    variables = module.init(jax.random.key(1), VECTORS, features)
    found = module.apply(variables, VECTORS, features)
    assert found.shape == (2, 3, 5)
    p = jax.tree.map(np.asarray, variables["params"])
    kind = p["FeatureEncoder_0"]["tables_kind"]["embedding"][4]
    x = np.concatenate([VECTORS[0][1, 2], VECTORS[1][1, 2], kind, [0.0, 0.0]])
    first, last = p["MLP_0"]["Dense_0"], p["MLP_0"]["Dense_1"]
    hidden = np.maximum(x @ first["kernel"] + first["bias"], 0)
    expected = hidden @ last["kernel"] + last["bias"]
    np.testing.assert_allclose(found[1, 2], expected, rtol=1e-5, atol=1e-6)


def test_a_tower_without_features_or_without_vectors():
    for specs, vectors in (((), VECTORS), (SPECS, [])):
        module = Tower(specs, 6, (5,))
        features = at_each_query(FEATURES, 3)
        variables = module.init(jax.random.key(1), vectors, features)
        assert module.apply(variables, vectors, features).shape == (2, 3, 5)
