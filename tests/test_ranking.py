"""Public ranking metrics against rax and ir-measures."""

import functools

import ir_measures
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rax

from jaxrec.metrics import ranking

METRICS = {
    "ndcg": ranking.ndcg,
    "recall": ranking.recall,
    "hit_rate": ranking.hit_rate,
    "precision": ranking.precision,
    "mrr": ranking.mrr,
    "map": ranking.mean_average_precision,
}


@functools.cache
def compiled(name, **options):
    metric = functools.partial(METRICS[name], **options)
    return jax.jit(metric, static_argnames=("reduce_fn", "ties"))


def random_lists(seed=0, lists=30, width=40):
    rng = np.random.default_rng(seed)
    scores = rng.permuted(np.tile(np.arange(width) / width - 0.5, (lists, 1)), axis=1)
    labels = rng.random((lists, width)) < rng.uniform(0.02, 0.5, (lists, 1))
    labels[:, 0] = True
    return jnp.asarray(scores, jnp.float32), jnp.asarray(labels, jnp.float32)


@pytest.mark.parametrize("k", [5, None])
@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("ndcg", rax.ndcg_metric),
        ("mrr", rax.mrr_metric),
        ("recall", rax.recall_metric),
        ("precision", rax.precision_metric),
    ],
)
def test_equal_to_rax(name, oracle, k):
    scores, labels = random_lists()
    where = jnp.asarray(np.random.default_rng(1).random(scores.shape) < 0.8).at[:, 0].set(True)
    ours = compiled(name, k=k)(scores, labels, where=where, reduce_fn=None)
    # rax divides precision by the number of items in a list that is shorter than topn.
    theirs = jax.jit(functools.partial(oracle, topn=k, reduce_fn=None))(scores, labels, where=where)
    if name == "precision" and k is None:
        theirs = theirs * where.sum(-1) / scores.shape[1]
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_equal_to_ir_measures():
    scores, labels = random_lists(seed=2)
    oracles = {
        "ndcg": ir_measures.nDCG @ 10,
        "recall": ir_measures.R @ 10,
        "hit_rate": ir_measures.Success @ 10,
        "precision": ir_measures.P @ 10,
        "mrr": ir_measures.RR @ 10,
        "map": ir_measures.AP @ 10,
    }
    judged = [
        ir_measures.Qrel(str(q), str(d), int(labels[q, d])) for q, d in np.ndindex(*labels.shape)
    ]
    run = [
        ir_measures.ScoredDoc(str(q), str(d), float(scores[q, d]))
        for q, d in np.ndindex(*scores.shape)
    ]
    theirs = ir_measures.calc_aggregate(list(oracles.values()), judged, run)
    for name, oracle in oracles.items():
        ours = float(compiled(name, k=10)(scores, labels))
        assert ours == pytest.approx(theirs[oracle], abs=1e-5)


@pytest.mark.parametrize("name", ["ndcg", "mrr"])
def test_masks_weights_and_reductions(name):
    metric = compiled(name, k=5)
    scores, labels = random_lists()
    values = metric(scores, labels, reduce_fn=None)
    assert values.shape == (30,)
    assert float(metric(scores, labels)) == pytest.approx(float(values.mean()), rel=1e-5)
    weights = jnp.arange(30.0)
    weighted = metric(scores, labels, weights=weights, reduce_fn=jnp.sum)
    assert float(weighted) == pytest.approx(float((values * weights).sum()), rel=1e-5)
    # Lists masked whole do not count, and a mean over none is 0.
    where = jnp.ones(scores.shape, bool).at[10:].set(False)
    some = float(metric(scores, labels, where=where))
    assert some == pytest.approx(float(values[:10].mean()), rel=1e-5)
    assert metric(scores, labels, where=jnp.zeros(scores.shape, bool)) == 0
    one = metric(scores[0], labels[0])
    assert float(one) == pytest.approx(float(values[0]))


def test_random_ties_of_a_constant_scorer():
    scores, labels = jnp.zeros((2000, 20)), jnp.zeros((2000, 20)).at[:, 3].set(1)
    recall = compiled("recall", k=5)
    found = recall(scores, labels, ties="random", key=jax.random.key(0))
    assert float(found) == pytest.approx(0.25, abs=0.03)
    assert recall(scores, labels) == 0
    assert recall(scores, labels, ties="optimistic") == 1
