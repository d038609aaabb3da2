"""The sharpened graph filter against dense matrices."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import sparse

from jaxrec.baselines import sparse_rows
from jaxrec.baselines.graph_filter import GraphFilterConfig
from jaxrec.errors import InputError
from tests.contracts import BaselineContract
from tests.linear import ITEMS, all_scores, dense, random_events


class TestGraphFilter(BaselineContract):
    config = GraphFilterConfig(user_power=0.25, tilt=0.3, sharpening=0.9)


@pytest.mark.parametrize("tilt", [0.0, 0.4])
@pytest.mark.parametrize("sharpening", [0.0, 0.9])
def test_equal_to_dense_filters(tilt, sharpening):
    events = random_events()
    met = dense(events)
    of_users, of_items = (np.maximum(met.sum(axis), 1) for axis in (1, 0))
    normal = met * of_users[:, None] ** -0.3 * of_items**-0.6
    normal /= np.linalg.norm(normal, 2)
    once = normal.T @ normal
    expected = (met / of_items**tilt) @ (once - sharpening * once @ once) * of_items**tilt
    found = all_scores(GraphFilterConfig(0.3, 0.6, tilt, sharpening).fit(events), events)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_with_powers_of_a_half_and_no_more_it_is_the_linear_filter_of_gf_cf():
    events = random_events()
    met = dense(events)
    normal = met / np.sqrt(np.maximum(met.sum(1), 1))[:, None] / np.sqrt(np.maximum(met.sum(0), 1))
    found = all_scores(GraphFilterConfig().fit(events), events)
    np.testing.assert_allclose(found, met @ normal.T @ normal, rtol=1e-3, atol=1e-5)


def test_the_largest_singular_value_is_1():
    state = GraphFilterConfig(tilt=0.3).fit(random_events(seed=3))
    normal = state.items.product(jnp.eye(ITEMS + 1))
    assert np.linalg.norm(normal, 2) == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("blocks", [1, 5, 512])
def test_rows_times_a_dense_matrix_a_few_blocks_at_a_time(blocks, monkeypatch):
    monkeypatch.setattr(sparse_rows, "BLOCKS_PER_STEP", blocks)
    met = dense(random_events())
    met[7:9] = 0
    x = np.random.default_rng(0).normal(size=(ITEMS + 1, 3)).astype(np.float32)
    found = sparse_rows.SparseRows.build(sparse.csr_array(met)).product(jnp.asarray(x))
    np.testing.assert_allclose(found, met @ x, rtol=1e-5, atol=1e-5)


def test_bad_values_are_refused():
    with pytest.raises(InputError, match="tilt is nan"):
        GraphFilterConfig(tilt=float("nan"))
