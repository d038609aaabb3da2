"""Cross-entropy and area under the ROC curve against their definitions."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.metrics.classification import auc, log_loss


def pairwise_auc(scores, labels, weights):
    won = (scores[:, None] > scores[None, :]) + 0.5 * (scores[:, None] == scores[None, :])
    pairs = np.outer(weights * labels, weights * (1 - labels))
    return (won * pairs).sum() / pairs.sum()


def test_auc_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 6, (3, 40)).astype(np.float32)
    labels = (rng.random((3, 40)) < 0.4).astype(np.float32)
    weights = rng.random((3, 40)).astype(np.float32)
    where = rng.random((3, 40)) < 0.7
    found = auc(
        jnp.asarray(scores),
        jnp.asarray(labels),
        where=jnp.asarray(where),
        weights=jnp.asarray(weights),
        reduce_fn=None,
    )
    expected = [pairwise_auc(s, y, w * m) for s, y, w, m in zip(scores, labels, weights, where)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_log_loss_of_log_odds():
    scores, labels = jnp.asarray([0.0, 2.0, -200.0]), jnp.asarray([1.0, 0.0, 0.0])
    expected = (np.log(2) + np.log1p(np.exp(2.0)) + 0) / 3
    assert float(log_loss(scores, labels)) == pytest.approx(expected, rel=1e-6)
    assert np.isfinite(log_loss(jnp.asarray([-1e6, 1e6]), jnp.asarray([1.0, 0.0])))


@pytest.mark.parametrize("metric", [auc, log_loss])
def test_an_empty_mask_gives_zero(metric):
    x = jnp.asarray([1.0, 2.0])
    assert metric(x, jnp.asarray([0.0, 1.0]), where=jnp.zeros(2, bool)) == 0


def test_auc_of_one_kind_of_label_is_zero():
    assert auc(jnp.asarray([1.0, 2.0]), jnp.ones(2)) == 0
