"""The Gram matrix by either product, and where it lies in memory."""

import jax
import numpy as np
import pytest

from jaxrec.baselines import gram as module
from jaxrec.baselines.gram import gram, mirror
from jaxrec.baselines.item_weights import known_items
from tests.linear import dense, random_events


@pytest.mark.parametrize("speedup", [0, 10**9])
def test_either_product_counts_the_users_in_common(speedup, monkeypatch):
    monkeypatch.setattr(module, "DENSE_SPEEDUP", speedup)
    monkeypatch.setattr(module, "BLOCK", 200)
    events = random_events()
    met = dense(events)
    np.testing.assert_array_equal(gram(known_items(events)), met.T @ met)


def test_jax_takes_it_over_without_a_copy():
    shared = gram(known_items(random_events()))
    assert jax.device_put(shared).unsafe_buffer_pointer() == shared.ctypes.data


def test_the_upper_triangle_is_mirrored(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 30)
    matrix = np.random.default_rng(0).normal(size=(11, 11)).astype(np.float32)
    expected = np.triu(matrix) + np.triu(matrix, 1).T
    mirror(matrix)
    np.testing.assert_array_equal(matrix, expected)
