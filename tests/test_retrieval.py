"""The best items: order, ties, masks, padding; and what a scorer asks of a model."""

import dataclasses
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxrec import retrieval
from jaxrec.models.deep_rec import DeepRecConfig
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.retrieval import best_items, model_scorer, questions_at_once, take_rows, top_k
from jaxrec.similarity import Mlp
from jaxrec.typing import CSR, Batch, Catalogue, Items, Spec


def batch_of(users, num_items, length=0):
    number = len(users)
    nothing = jnp.zeros((number, length), jnp.int32)
    catalogue = Catalogue(
        Items(jnp.arange(num_items + 1, dtype=jnp.int32), {}),
        jnp.ones(num_items + 1),
        CSR(jnp.zeros(2, jnp.int32), jnp.zeros(0, jnp.int32)),
    )
    one = jnp.zeros((number, 1), jnp.int32)
    return Batch(
        user=jnp.asarray(users, jnp.int32),
        history=nothing,
        where=nothing > 0,
        segment_ids=nothing,
        queries=one,
        target=one,
        value=one.astype(jnp.float32),
        weights=one.astype(jnp.float32),
        user_features={},
        context={},
        catalogue=catalogue,
    )


@dataclass(frozen=True)
class TableScorer:
    """The variables are the scores."""

    history_length: int = 0

    def precompute(self, variables, catalogue):
        return variables

    def scores(self, variables, batch, items=None):
        scores = variables[batch.user]
        return scores if items is None else jnp.take_along_axis(scores, items, 1)

    def predict(self, variables, batch):
        return self.scores(variables, batch, batch.target)[:, 0]


def test_best_items_by_score_then_by_row():
    nan, inf = np.nan, np.inf
    scores = jnp.asarray([[9, 1, 3, 3, nan, 2, -inf], [9, 5, 5, 5, inf, 5, 5]])
    items, found = best_items(scores, jnp.ones((1, 7), bool), 4)
    assert items.tolist() == [[2, 3, 5, 1], [4, 1, 2, 3]]
    np.testing.assert_array_equal(found, [[3, 3, 2, 1], [inf, 5, 5, 5]])


def test_best_items_end_in_nan_and_padding():
    scores = jnp.asarray([[0.0, np.nan, 1.0, -np.inf, 4.0]])
    where = jnp.asarray([[True, True, True, True, False]])
    items, found = best_items(scores, where, 6)
    assert items.tolist() == [[2, 1, 3, 0, 0, 0]]
    np.testing.assert_array_equal(found, [[1, np.nan, -np.inf, -np.inf, -np.inf, -np.inf]])


def test_the_best_of_many_items_in_two_stages_are_those_of_a_stable_sort():
    rng = np.random.default_rng(0)
    table = rng.integers(0, 300, (5, 1003)).astype(np.float32)
    table[1] = 7  # all tied
    table[2, 5:] = -np.inf  # fewer than k, and -inf as a score
    table[3, rng.permutation(1003)[:900]] = np.nan
    where = rng.random((5, 1003)) < 0.9
    where[4, 4:] = False
    where[:, 0] = False
    order = np.where(np.isnan(table) | np.isinf(table), 1e9, -table)
    order = np.where(where, order, np.inf)
    expected = np.argsort(order, axis=1, kind="stable")[:, :3]
    expected = np.where(np.take_along_axis(order, expected, 1) == np.inf, 0, expected)
    assert "reduce_window" in str(jax.make_jaxpr(lambda *x: best_items(*x, 3))(table, where))
    items, scores = jax.jit(best_items, static_argnums=2)(table, where, 3)
    np.testing.assert_array_equal(items, expected)
    given = np.where(expected > 0, np.take_along_axis(table, expected, 1), -np.inf)
    np.testing.assert_array_equal(scores, given)


def test_top_k_equals_a_sort_in_chunks_of_any_size(monkeypatch):
    rng = np.random.default_rng(0)
    table = rng.integers(0, 9, (30, 41)).astype(np.float32)
    users = rng.integers(0, 30, 23)
    seen = rng.integers(0, 41, (23, 5)).astype(np.int32)
    allowed = rng.random(41) < 0.8
    where = np.tile(allowed, (23, 1))
    np.put_along_axis(where, seen, False, 1)
    where[:, 0] = False
    expected = np.argsort(np.where(where, -table[users], np.inf), axis=1, kind="stable")[:, :6]
    batch = batch_of(users, 40)
    given = {"exclude": jnp.asarray(seen), "allowed": jnp.asarray(allowed)}
    for cache in (2**23, 41 * 4 * 4, 1):
        monkeypatch.setattr(retrieval, "CACHE_BYTES", cache)
        monkeypatch.setattr(retrieval, "USERS_TO_SHARE", 1)
        items, scores = top_k(TableScorer(), jnp.asarray(table), batch, 6, **given)
        np.testing.assert_array_equal(items, expected)
        np.testing.assert_array_equal(scores, np.take_along_axis(table[users], expected, 1))
    mask = np.zeros((23, 41), bool)
    np.put_along_axis(mask, seen, True, 1)
    masked, _ = top_k(
        TableScorer(),
        jnp.asarray(table),
        batch,
        6,
        exclude=jnp.asarray(mask),
        allowed=allowed_of(allowed),
    )
    np.testing.assert_array_equal(masked, expected)


def allowed_of(allowed):
    return jnp.asarray(allowed)[None, :]


def test_top_k_of_more_than_the_catalogue_and_of_nobody():
    table = jnp.asarray([[0.0, 1.0, 2.0]])
    items, scores = top_k(TableScorer(), table, batch_of([0], 2), 5)
    assert items.tolist() == [[2, 1, 0, 0, 0]]
    assert scores[0, 2:].tolist() == [-np.inf] * 3
    items, _ = top_k(TableScorer(), table, batch_of([], 2), 5)
    assert items.shape == (0, 5)


def matrix_factorization(users=6, items=9):
    model = MatrixFactorizationConfig(embed_dim=4, scale=1.0).build(Spec(users, items, 0))
    batch = batch_of(range(users + 1), items)

    def everything(model, batch):
        return model.score(model.encode_user(batch), model.encode_item(batch.catalogue.items))

    return model, model.init(jax.random.key(0), batch, method=everything), batch


def test_a_model_is_asked_for_all_items_for_candidates_and_for_values():
    model, variables, batch = matrix_factorization()
    scorer = model_scorer(model)
    assert scorer == model_scorer(model)
    assert hash(scorer) == hash(model_scorer(model))
    assert scorer.history_length == 0
    scores = scorer.scores(variables, batch)
    assert scores.shape == (7, 10)
    ready = scorer.precompute(variables, batch.catalogue)
    np.testing.assert_allclose(scorer.scores(ready, batch), scores, rtol=1e-5)
    assert scorer.precompute(ready, batch.catalogue) is ready
    items = jnp.asarray(np.random.default_rng(0).integers(1, 10, (7, 3)), jnp.int32)
    candidates = np.take_along_axis(np.asarray(scores), np.asarray(items), 1)
    for given in (variables, ready):
        np.testing.assert_allclose(
            scorer.scores(given, batch, items), candidates, rtol=1e-4, atol=1e-6
        )
        asked = dataclasses.replace(batch, target=items[:, :1])
        np.testing.assert_allclose(
            scorer.predict(given, asked), candidates[:, 0], rtol=1e-4, atol=1e-6
        )


def test_a_large_catalogue_is_encoded_in_blocks(monkeypatch):
    model, variables, batch = matrix_factorization(items=50)
    whole = model_scorer(model).precompute(variables, batch.catalogue).items
    monkeypatch.setattr(retrieval, "ROWS_AT_ONCE", 7)
    retrieval._encode_catalogue.clear_cache()
    blocks = model_scorer(model).precompute(variables, batch.catalogue).items
    retrieval._encode_catalogue.clear_cache()
    assert blocks.shape == whole.shape == (51, 6)
    np.testing.assert_allclose(blocks, whole, rtol=1e-6)


@dataclass(frozen=True)
class Propagating:
    history_length: int = 0


class Doubled(nn.Module):
    """A model that prepares its variables once, and predicts nothing."""

    config: Propagating = Propagating()

    def setup(self):
        self.table = self.param("table", nn.initializers.normal(1.0), (5, 3))

    def encode_user(self, batch, train=False):
        return jnp.ones((len(batch.user), 1, 3))

    def encode_item(self, items, train=False):
        return self.table[items.id]

    def score(self, user, item):
        return jnp.einsum("bqd,nd->bqn", user, item)

    def precompute(self, variables):
        return jax.tree.map(lambda x: 2 * x, variables)


def test_a_model_may_precompute_its_variables():
    model, batch = Doubled(), batch_of([0, 1], 4)
    variables = model.init(jax.random.key(0), batch.catalogue.items, method="encode_item")
    expected = 2 * variables["params"]["table"].sum(1)
    scores = model_scorer(model).scores(variables, batch)
    np.testing.assert_allclose(scores, [expected, expected], rtol=1e-5)


@pytest.mark.parametrize(
    ("budget", "least", "most"), [(2**28, 64, 2**20), (30_000, 1, 16), (1, 1, 1)]
)
def test_chunks_are_planned_under_the_budget(budget, least, most):
    model, variables, batch = matrix_factorization(items=500)
    size = questions_at_once(model_scorer(model), variables, batch, budget)
    assert least <= size <= most


def test_readings_of_a_large_item_table_are_shared_as_far_as_memory_goes():
    batch = batch_of([0], 10**6)  # of which the cache holds the scores of two users
    table = jax.ShapeDtypeStruct((1, 10**6 + 1), jnp.float32)
    sizes = [questions_at_once(TableScorer(), table, batch, budget) for budget in (2**30, 2**26)]
    assert sizes == [32, 2]


def test_what_a_model_makes_of_each_pair_counts_in_the_plan():
    class Wide(Doubled):
        def score(self, user, item):
            return jnp.tanh(user[:, :, None] * jnp.repeat(item, 100, 1)[None, None, :, :3]).sum(
                -1
            ) + (jnp.tanh(user[:, :, None, :1] * jnp.ones((1, 1, len(item), 400))).sum(-1))

    model, batch = Wide(), batch_of([0, 1], 4)
    variables = model.init(jax.random.key(0), batch.catalogue.items, method="encode_item")
    narrow = questions_at_once(model_scorer(Doubled()), variables, batch, 2**20)
    wide = questions_at_once(model_scorer(model), variables, batch, 2**20)
    assert wide <= 2**20 // (3 * 4 * 5 * 400)
    assert wide < narrow


def deep_rec(items, hidden_dims):
    config = DeepRecConfig(embed_dim=4, hidden_dims=(), similarity=Mlp(hidden_dims))
    model, batch = config.build(Spec(6, items, 0)), batch_of(range(7), items)
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), batch, method="predict"))
    rng = np.random.default_rng(0)
    return (
        model_scorer(model),
        jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), x.dtype), shapes),
        batch,
    )


def test_an_mlp_scores_in_blocks_of_items_what_it_scores_at_once(monkeypatch):
    scorer, variables, batch = deep_rec(50, (8, 6))
    columns = jnp.asarray(np.random.default_rng(1).integers(0, 51, (7, 11)), jnp.int32)
    ask = [(), (columns,)]
    whole = [jax.jit(scorer.scores)(variables, batch, *given) for given in ask]
    monkeypatch.setattr(retrieval, "BLOCK_BYTES", 7 * 8 * 4 * 4)  # of four items
    for given, expected in zip(ask, whole, strict=True):
        traced = jax.jit(lambda *x: scorer.scores(*x)).trace(variables, batch, *given)
        assert "f32[7,1,4,8]" in str(traced.jaxpr)
        assert f"f32[7,1,{expected.shape[1]},8]" not in str(traced.jaxpr)
        found = traced.lower().compile()(variables, batch, *given)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_an_mlp_over_a_million_items_holds_a_small_budget():
    scorer, variables, batch = deep_rec(10**6, (64,))  # all pairs of one user take 256 MB
    budget = 2**26
    ready = jax.eval_shape(scorer.precompute, variables, batch.catalogue)
    size = questions_at_once(scorer, ready, batch, budget)
    assert size == 2
    nothing, everything = jnp.zeros((1, 10**6 + 1), bool), jnp.ones((1, 10**6 + 1), bool)
    lowered = retrieval._top_k.lower(scorer, 9, size, ready, batch, nothing, everything)
    used = lowered.compile().memory_analysis().temp_size_in_bytes
    assert 4 * size * 10**6 < used < budget


def test_take_rows_shares_the_catalogue():
    batch = batch_of([4, 5, 6], 3)
    some = take_rows(batch, slice(1, 3))
    assert some.user.tolist() == [5, 6]
    assert some.catalogue is batch.catalogue
