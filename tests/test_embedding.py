import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn

from jaxrec.embedding import ROW_MULTIPLE, embed, noting


@pytest.mark.parametrize(("rows", "rounded"), [(1, 64), (64, 64), (65, 128), (1683, 1728)])
def test_rows_are_rounded_up(rows, rounded):
    table = embed(rows, 4).init(jax.random.key(0), jnp.zeros(1, jnp.int32))
    assert table["params"]["embedding"].shape == (rounded, 4)
    assert rounded % ROW_MULTIPLE == 0


def test_row_0_is_zero_and_the_others_have_the_scale():
    module = embed(4096, 16, scale=0.5)
    variables = module.init(jax.random.key(0), jnp.zeros(1, jnp.int32))
    table = variables["params"]["embedding"]
    assert jnp.all(table[0] == 0)
    assert jnp.all(jnp.any(table[1:] != 0, axis=1))
    assert table[1:].std() == pytest.approx(0.5, rel=0.02)
    assert jnp.all(module.apply(variables, jnp.zeros(3, jnp.int32)) == 0)


def test_lookups_are_those_of_a_plain_embed():
    """Row-sparse updates intercept `nn.Embed` calls, so the module must be one itself."""
    assert type(embed(10, 4)) is nn.Embed


def test_lookups_are_noted_outside_loops():
    table, found = embed(10, 4), []
    variables = table.init(jax.random.key(0), jnp.zeros(1, jnp.int32))
    apply = noting(table.apply, found)
    ids = jnp.array([[3, 0], [5, 3]], jnp.int32)
    answer = apply(variables, ids)
    assert jnp.array_equal(answer, table.apply(variables, ids))
    assert [lookup.path for lookup in found] == ["embedding"]
    assert jnp.array_equal(found[0].ids, ids)
    assert jnp.array_equal(found[0].vectors, answer)
    answer, changed = apply(variables, ids, mutable=["losses"])
    assert changed == {}
    _, rows = jax.lax.scan(lambda carry, row: (carry, apply(variables, row)), 0, ids)
    assert jnp.array_equal(rows, answer)
    assert len(found) == 2, "the third one was inside a loop"
