"""Errors of predicted values against NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.metrics.rating import mae, rmse


@pytest.mark.parametrize(("metric", "power"), [(rmse, 2), (mae, 1)])
def test_against_numpy(metric, power):
    rng = np.random.default_rng(0)
    scores, labels = rng.normal(size=(2, 4, 7)).astype(np.float32)
    where, weights = rng.random((4, 7)) < 0.6, rng.random((4, 7)).astype(np.float32)
    where[3] = False
    errors = np.abs(scores - labels) ** power
    expected = (errors * weights * where)[:3].sum(1) / (weights * where)[:3].sum(1)
    expected = expected ** (1 / power)
    found = metric(
        jnp.asarray(scores),
        jnp.asarray(labels),
        where=jnp.asarray(where),
        weights=jnp.asarray(weights),
        reduce_fn=None,
    )
    np.testing.assert_allclose(found[:3], expected, rtol=1e-5)
    assert found[3] == 0
    mean = metric(
        jnp.asarray(scores),
        jnp.asarray(labels),
        where=jnp.asarray(where),
        weights=jnp.asarray(weights),
    )
    assert float(mean) == pytest.approx(expected.mean(), rel=1e-5)


def test_worked_by_hand():
    scores, labels = jnp.asarray([1.0, 2.0, 5.0]), jnp.asarray([1.0, 4.0, 4.0])
    assert float(rmse(scores, labels)) == pytest.approx((5 / 3) ** 0.5)
    assert float(mae(scores, labels)) == pytest.approx(1.0)
    assert rmse(scores, labels, where=jnp.zeros(3, bool)) == 0
