"""Batches streamed from the host are those from the device, bit for bit, at any step."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.data import stream
from jaxrec.data.batches import PackedSequences, Pairs, Sequences
from jaxrec.data.resident import resident
from jaxrec.negatives import Popularity, Uniform
from jaxrec.sharding import make_mesh
from jaxrec.typing import CSR
from tests.contracts import checkerboard

MOST = 4
KINDS = (
    (Pairs(batch_size=250, history_length=3), Popularity(2)),
    (Sequences(batch_size=24, length=5, random_crop=True), Uniform(3)),
    (PackedSequences(batch_size=8, length=16), Uniform(3)),
)


def built(kind):
    prepared = checkerboard()
    events = prepared.split.train
    return kind.build(events, resident(prepared, events, reads_times=True), seed=3)


def streamed(batches, total):
    def length(step):
        return min(MOST - step % MOST, total - step)

    return stream.Stream(batches, make_mesh(devices=jax.devices()[:1]), MOST, length), length


@functools.partial(jax.jit, static_argnums=(0, 1))
def seen(batch_at, negatives, data, step):
    """All that a model and its objective see of a batch: its arrays, and draws that avoid."""
    batch = batch_at(data, step)
    key = jax.random.fold_in(jax.random.key(1), step)
    draws = negatives.draw(batch, key)
    own = batch.catalogue.positives.bounds(batch.user)
    return batch.replace(catalogue=None), batch.catalogue.counts, own[1] - own[0], draws


@pytest.mark.parametrize(("kind", "negatives"), KINDS, ids=lambda x: type(x).__name__)
def test_a_stream_gives_the_batches_of_the_device(kind, negatives):
    batches = built(kind)
    total = batches.steps_per_epoch + 3
    feed, length = streamed(batches, total)
    step = 0
    while step < total:
        slab = feed(step, length(step))
        for here in range(step, step + length(step)):
            expected = seen(batches.batch_at, negatives, batches.data, jnp.int32(here))
            found = seen(stream.batch_at, negatives, slab, jnp.int32(here))
            jax.tree.map(np.testing.assert_array_equal, found, expected)
        step += length(step)


def test_a_stream_begins_anywhere_and_a_call_may_be_shorter_than_was_expected():
    batches = built(Pairs(batch_size=50))
    ask = jax.jit(batches.batch_at)
    feed, _ = streamed(batches, 12)
    for step, n in ((6, 2), (8, 1), (9, 2), (4, 1)):
        slab = feed(step, n)
        for here in range(step, step + n):
            expected = ask(batches.data, jnp.int32(here))
            found = stream.batch_at(slab, jnp.int32(here))
            np.testing.assert_array_equal(found.user, expected.user)
            np.testing.assert_array_equal(found.target, expected.target)


def test_a_slab_holds_its_own_users_and_keeps_its_shapes():
    batches = built(Pairs(batch_size=5))
    feed, _ = streamed(batches, 24)
    slabs = [feed(step, MOST) for step in range(0, 20, MOST)]
    for slab in slabs:
        rows = np.asarray(slab.catalogue.positives.rows)
        held = rows[rows < np.iinfo(np.int32).max]
        np.testing.assert_array_equal(held, np.unique(slab.batches.user))
        assert len(held) < 64, "not all users"
    entries = [slab.catalogue.positives.indices.shape for slab in slabs]
    assert len(set(entries)) < len(entries)
    assert len({jax.tree.structure(slab) for slab in slabs}) == 1


def test_some_rows_of_a_ragged_array_are_found_by_their_numbers():
    some = CSR(jnp.array([0, 2, 2, 5, 5]), jnp.arange(5), jnp.array([3, 7, 8, 2**31 - 1]))
    start, stop = some.bounds(jnp.array([8, 3, 7]))
    assert (start.tolist(), stop.tolist()) == ([2, 0, 2], [5, 2, 2])


def test_data_is_held_against_its_budget():
    data = {"a": np.zeros(100, np.int32)}
    assert stream.fits(data, 400, None)
    assert not stream.fits(data, 399, None)
    assert stream.fits(data, None, None), "a CPU does not tell its memory"
    assert stream.fits(data, None, 800)
    assert not stream.fits(data, None, 798)
