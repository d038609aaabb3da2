import jax
import jax.numpy as jnp
import pytest
from jax.sharding import PartitionSpec

from jaxrec.embedding import embed
from jaxrec.errors import InputError
from jaxrec.optimizer import Adam
from jaxrec.sharding import born_sharded, make_mesh, replicate, shard_batch, shardings
from tests.contracts import random_batch


def test_the_mesh_has_auto_axes_over_all_devices():
    mesh = make_mesh(4)
    assert dict(mesh.shape) == {"data": 2, "model": 4}
    assert mesh.axis_types == (jax.sharding.AxisType.Auto,) * 2


@pytest.mark.parametrize("model", [0, 3, 16])
def test_a_mesh_that_does_not_divide_is_refused(model):
    with pytest.raises(InputError, match=f"model_parallel is {model}"):
        make_mesh(model)


def test_tables_and_their_moments_are_born_divided_by_rows():
    mesh = make_mesh(4)
    module = embed(100, 8)

    def init(key):
        params = module.init(key, jnp.zeros(1, jnp.int32))["params"]
        return {"params": params, "opt": Adam().build(10).init(params)}

    state = born_sharded(init, mesh, jax.random.key(0))
    tables = [x for x in jax.tree.leaves(state) if x.ndim == 2]
    assert len(tables) == 3  # the table, and Adam's two moments
    for table in tables:
        assert table.sharding.spec == PartitionSpec("model", None)
        assert table.addressable_shards[0].data.shape == (128 // 4, 8)


def test_all_else_is_replicated():
    mesh = make_mesh(2)
    tree = {"Dense_0": {"kernel": jnp.ones((64, 64))}, "count": jnp.int32(0)}
    assert all(s.spec == PartitionSpec() for s in jax.tree.leaves(shardings(tree, mesh)))


def test_a_leaf_too_small_for_its_rule_is_replicated():
    tree = {"embedding": jnp.zeros(())}
    assert shardings(tree, make_mesh(2))["embedding"].spec == PartitionSpec()


def test_examples_are_divided_and_the_catalogue_is_not():
    mesh = make_mesh(2)
    batch = replicate(random_batch(size=8), mesh)
    out = jax.jit(lambda b: shard_batch(b, mesh))(batch)
    assert out.history.sharding.spec[0] == "data"
    assert out.history.addressable_shards[0].data.shape[0] == 2
    assert out.catalogue.counts.sharding.is_fully_replicated


def test_one_device_costs_nothing():
    batch = random_batch()
    assert shard_batch(batch, make_mesh(devices=jax.devices()[:1])) is batch


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(InputError, match="batch_size is 7; give a multiple of the 8 devices"):
        shard_batch(random_batch(size=7), make_mesh())
