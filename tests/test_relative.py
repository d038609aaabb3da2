"""Distances in events and in time against loops, and the bias against lookups by hand."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from jaxrec.encoders.relative import BUCKETS, RelativeBias, distances, looked_up, time_buckets

TIME = jnp.array([[0, 0, 5, 5, 400], [7, 86_407, 2**31 - 1, 2**31 - 1, 12]], jnp.int32)
EVERY = jnp.arange(5, dtype=jnp.int32)[None]


def bucket_of(between):
    return int(math.log(max(between, 1)) / 0.301)


def test_buckets_count_the_logarithm_of_the_time_between():
    found = np.asarray(time_buckets(TIME))
    for row, times in enumerate(TIME.tolist()):
        for i, one in enumerate(times):
            for j, other in enumerate(times):
                assert found[row, i, j] == bucket_of(abs(one - other))
    assert found.min() == 0
    assert found.max() == BUCKETS - 1


def test_distances_count_events():
    found = distances(jnp.array([[4], [1]], jnp.int32), 5)
    assert found.tolist() == [[[4, 3, 2, 1, 0]], [[1, 0, 1, 2, 3]]]


def test_places_beyond_a_table_count_as_its_last():
    table = jnp.arange(6.0).reshape(2, 3)
    found = looked_up(table, jnp.array([[[0, 2, 9]]], jnp.int32))
    assert found.tolist() == [[[[0, 2, 2]], [[3, 5, 5]]]]


def test_the_bias_adds_a_number_of_each_head_for_distance_and_time():
    module = RelativeBias(2, 4)
    variables = module.init(jax.random.key(0), time_buckets(TIME), EVERY)
    found = module.apply(variables, time_buckets(TIME), EVERY)
    queries = jnp.array([[4, 0], [2, 3]], jnp.int32)
    few = module.apply(variables, time_buckets(TIME), queries)
    distance, time = (np.asarray(variables["params"][name]) for name in ("distance", "time"))
    assert len(np.unique(distance)) == 8
    for row, times in enumerate(TIME.tolist()):
        for head in range(2):
            for i in range(5):
                for j in range(5):
                    bucket = bucket_of(abs(times[i] - times[j]))
                    expected = distance[head, min(abs(i - j), 3)] + time[head, bucket]
                    np.testing.assert_allclose(found[row, head, i, j], expected, rtol=1e-5)
    np.testing.assert_array_equal(
        few, jnp.take_along_axis(found, queries[:, None, :, None], axis=2)
    )
