"""Coverage, novelty, Gini, diversity and popularity, worked by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.data.histories import positives
from jaxrec.data.interactions import Interactions
from jaxrec.metrics import beyond_accuracy as measures
from jaxrec.metrics.protocol import Metric, Protocol
from jaxrec.metrics.questions import ask
from jaxrec.typing import CSR, Catalogue, Items


def test_coverage_and_gini():
    lists = np.asarray([[1, 2], [1, 0], [1, 3]])
    exposure = measures.exposure(lists, 4)
    assert exposure.tolist() == [3, 1, 1, 0]
    assert measures.coverage(exposure) == 0.75
    differences = np.abs(exposure[:, None] - exposure[None, :]).sum()
    assert measures.gini(exposure) == pytest.approx(differences / (2 * 4 * 5))
    assert measures.gini(np.full(7, 3)) == pytest.approx(0)
    assert measures.gini(np.zeros(7)) == 0
    assert measures.exposure(lists, 4, np.asarray([2, 0, 1])).tolist() == [3, 2, 1, 0]


def test_novelty_and_popularity_leave_padding_out():
    counts = np.asarray([0, 4, 1, 0])
    lists = np.asarray([[1, 2], [1, 0], [0, 0], [3, 0]])
    np.testing.assert_allclose(measures.novelty(lists, counts, 8), [2, 1, 0, 3])
    np.testing.assert_allclose(measures.popularity(lists, counts), [2.5, 4, 0, 0])


def test_diversity_is_one_minus_the_mean_cosine():
    rng = np.random.default_rng(0)
    met = rng.random((300, 9)) < 0.3
    met[:, 0] = False
    user, item = np.nonzero(met)
    csr = CSR(np.concatenate([[0], np.cumsum(np.bincount(user, minlength=300))]), item)
    norms = np.sqrt(met.sum(0))
    cosine = met.T.astype(float) @ met / np.maximum(np.outer(norms, norms), 1)
    lists = np.asarray([[3, 1, 2], [1, 3, 2], [4, 5, 0], [6, 0, 0], [0, 0, 0]])
    expected = [1 - (cosine[1, 2] + cosine[1, 3] + cosine[2, 3]) / 3, 1 - cosine[4, 5], 0, 0]
    found = measures.diversity(lists, csr, 8)
    np.testing.assert_allclose(found, [expected[0], *expected], rtol=1e-12)


def test_diversity_does_not_depend_on_the_blocks(monkeypatch):
    rng = np.random.default_rng(1)
    csr = CSR(np.arange(0, 1001, 2), rng.integers(1, 30, 1000))
    lists = np.stack([rng.permutation(29)[:6] + 1 for _ in range(50)])
    whole = measures.diversity(lists, csr, 29)
    monkeypatch.setattr(measures, "USERS_AT_ONCE", 70)
    monkeypatch.setattr(measures, "BYTES_AT_ONCE", 100)
    np.testing.assert_array_equal(measures.diversity(lists, csr, 29), whole)


def test_measures_of_questions():
    events = Interactions.build([1, 1, 2, 3], ["a", "b", "a", "c"])
    known, asked = events.take(slice(0, 3)), events.take(slice(3, 4))
    questions = ask(known, events, Protocol(), 0)
    counts = np.bincount(known.item, minlength=4).astype(np.float32)
    catalogue = Catalogue(Items(jnp.arange(4), {}), jnp.asarray(counts), positives(known))
    wanted = {f"{kind}@1": Metric(kind, 1) for kind in ("popularity", "popularity_bias", "gini")}
    lists = np.full((3, 2), 1)
    found = measures.list_measures(wanted, lists, catalogue, questions)
    assert set(found) == {"popularity@1", "popularity_bias@1"}
    by_user = dict(zip(questions.user.tolist(), found["popularity_bias@1"].tolist(), strict=True))
    assert by_user == {1: pytest.approx(2 / 1.5), 2: 1, 3: 0}
    values, intervals = measures.exposure_measures(wanted, lists, 3, Protocol(resamples=20), 0)
    assert values["gini@1"] == pytest.approx(2 / 3)
    low, high = intervals["gini@1"]
    assert low <= values["gini@1"] <= high
    assert len(asked) == 1
