import jax
import jax.numpy as jnp
import numpy as np

from jaxrec.models.caser import CaserConfig
from jaxrec.typing import Spec


def test_all_queries_of_a_user_are_scored_as_each_alone():
    """An inner product, in value and gradient, though the user's part is worked out once."""
    model = CaserConfig(embed_dim=16).build(Spec(8, 20, 6))
    key = jax.random.key(0)
    z, own, item = (jax.random.normal(key, shape) for shape in ((3, 5, 16), (3, 1, 17), (20, 33)))

    def joined(z, own):
        return jnp.concatenate([z, jnp.repeat(own, 5, 1)], -1)

    def shared(z, own, item):
        found = model.apply({}, joined(z, own), item, method="score")
        return (found**3).sum(), found

    def each(z, own, item):
        found = jnp.einsum("bqd,nd->bqn", joined(z, own), item)
        return (found**3).sum(), found

    found, expected = (
        jax.jit(jax.value_and_grad(f, (0, 1, 2), has_aux=True))(z, own, item)
        for f in (shared, each)
    )
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3), found, expected
    )
    own_items = jnp.broadcast_to(item[None, :4], (3, 4, 33))
    candidates = model.apply({}, joined(z, own), own_items, method="score")
    np.testing.assert_allclose(candidates, found[0][1][..., :4], rtol=1e-4, atol=1e-4)
