import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxrec.augmentation import Crop, Mask, Substitute
from jaxrec.config import load_config
from jaxrec.embedding import lookups
from jaxrec.errors import InputError
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.negatives import Popularity, Uniform
from jaxrec.objectives import Bpr, BprMax, FullSoftmax, MaskedItems, SampledSoftmax
from jaxrec.optimizer import Adagrad
from jaxrec.reconstruction import Reconstruction
from jaxrec.regularisation import Adversarial, Augmented, L2Penalty
from jaxrec.typing import Spec
from tests.contracts import ModelContract, init, random_batch
from tests.test_objectives import BATCH, KEY, Fixed, run, sasrec
from tests.test_train_step import assert_equal, trained

PAIRS = random_batch(size=6, length=1).replace(
    user=jnp.array([1, 2, 2, 5, 5, 5], jnp.int32),
    target=jnp.array([[7], [8], [7], [3], [9], [9]], jnp.int32),
    weights=jnp.ones((6, 1)),
)
USERS, ITEMS = [1, 2, 5], [3, 4, 7, 8, 9]
"""What is looked up for these pairs and for the negatives 3 and 4."""


def factors():
    model = MatrixFactorizationConfig(embed_dim=4, scale=0.5).build(Spec(200, 200, 0))
    variables = init(model, jax.random.key(1), PAIRS)
    biases = jax.random.normal(KEY, variables["params"]["item_bias"]["embedding"].shape)
    variables["params"]["item_bias"]["embedding"] = biases.at[0].set(0.0)
    return model, variables


def gradient(objective, model, variables, batch):
    def loss(params):
        return objective(model.apply, {"params": params}, batch, KEY)[0]

    return flatten_dict(jax.jit(jax.grad(loss))(variables["params"]), sep="/")


def test_l2_counts_each_row_that_is_looked_up_once():
    model, variables = factors()
    plain, _ = run(Bpr(Fixed()), model, variables, PAIRS)
    loss, metrics = run(L2Penalty(Bpr(Fixed()), decay=0.2), model, variables, PAIRS)
    tables = {k: np.asarray(x["embedding"]) for k, x in variables["params"].items() if k != "mean"}
    squares = sum(np.square(tables[k][USERS]).sum() for k in ("user_vector", "user_bias"))
    squares += sum(np.square(tables[k][ITEMS]).sum() for k in ("item_vector", "item_bias"))
    assert metrics["l2"] == pytest.approx(0.1 * squares, rel=1e-5)
    assert loss == pytest.approx(float(plain) + 0.1 * squares, rel=1e-5)
    before = gradient(Bpr(Fixed()), model, variables, PAIRS)
    after = gradient(L2Penalty(Bpr(Fixed()), decay=0.2), model, variables, PAIRS)
    for name, rows in (("user_vector", USERS), ("item_vector", ITEMS)):
        added = np.asarray(after[f"{name}/embedding"] - before[f"{name}/embedding"])
        expected = np.zeros_like(added)
        expected[rows] = 0.2 * tables[name][rows]
        np.testing.assert_allclose(added, expected, atol=1e-6)


def test_examples_of_weight_0_have_no_l2():
    model, variables = factors()
    half = PAIRS.replace(weights=PAIRS.weights.at[3:].set(0.0))
    _, metrics = run(L2Penalty(Bpr(Uniform(3)), decay=2.0), model, variables, half)
    draws = Uniform(3).draw(half, jax.random.split(KEY)[0])
    tables = {k: np.asarray(x["embedding"]) for k, x in variables["params"].items() if k != "mean"}
    items = np.unique([*np.ravel(half.target[:3]), *np.ravel(draws.item[:3])])
    squares = sum(np.square(tables[f"item_{k}"][items]).sum() for k in ("vector", "bias"))
    squares += sum(np.square(tables[f"user_{k}"][[1, 2]]).sum() for k in ("vector", "bias"))
    assert metrics["l2"] == pytest.approx(squares, rel=1e-5)


def test_l2_reads_only_what_the_objective_does():
    """So that tables can still be trained by the rows that a step looks up."""
    model, variables = factors()

    def loss(params):
        return L2Penalty(Bpr(Fixed()))(model.apply, {"params": params}, PAIRS, KEY)[0]

    found = lookups(loss, variables["params"])
    tables = ("user_vector", "user_bias", "item_vector", "item_bias")
    assert set(found) == {f"{table}/embedding" for table in tables}


def test_l2_by_rows_is_that_of_whole_tables():
    objective = L2Penalty(Bpr(), decay=0.5)
    optimizer = Adagrad(learning_rate=0.1)
    whole, logged = trained(optimizer, objective=objective)
    rows, logged_rows = trained(dataclasses.replace(optimizer, tables="rows"), objective=objective)
    assert logged["l2"] > 0
    assert_equal(rows.params, whole.params)
    assert_equal(logged_rows, logged, 1e-5)


def test_l2_of_a_history_model_leaves_padding_alone():
    model, variables = sasrec()
    _, metrics = run(L2Penalty(SampledSoftmax(Fixed())), model, variables)
    table = np.asarray(variables["params"]["item_vector"]["embedding"])
    looked_up = np.unique([*np.ravel(BATCH.history), *np.ravel(BATCH.target), 3, 4])
    assert metrics["l2"] == pytest.approx(0.5e-4 * np.square(table[looked_up]).sum(), rel=1e-5)
    _, metrics = run(L2Penalty(FullSoftmax(chunk=7)), model, variables)
    assert metrics["l2"] == pytest.approx(0.5e-4 * np.square(table[:21]).sum(), rel=1e-5)


class Recording(Bpr):
    """Tells what it is called with."""

    def __call__(self, apply, variables, batch, key):
        loss, metrics = super().__call__(apply, variables, batch, key)
        SEEN.append(variables["params"])
        return loss, metrics


SEEN = []


def test_rows_with_a_gradient_move_along_it_by_the_same_length():
    model, variables = factors()
    SEEN.clear()
    objective = Adversarial(Recording(Fixed()), perturbation_norm=0.3, share=2.0)
    loss, metrics = objective(model.apply, variables, PAIRS, KEY)
    moved = flatten_dict(SEEN[-1], sep="/")
    before = flatten_dict(variables["params"], sep="/")
    slope = gradient(Bpr(Fixed()), model, variables, PAIRS)
    for name, rows in (("user_vector", USERS), ("item_vector", ITEMS)):
        path = f"{name}/embedding"
        move = np.asarray(moved[path] - before[path])
        length = np.linalg.norm(move, axis=1)
        assert set(np.flatnonzero(length)) == set(rows)
        np.testing.assert_allclose(length[rows], 0.3, rtol=1e-4)
        along = np.asarray(slope[path])[rows]
        along *= 0.3 / np.linalg.norm(along, axis=1, keepdims=True)
        np.testing.assert_allclose(move[rows], along, atol=1e-5)
    for name in ("user_bias", "item_bias"):
        np.testing.assert_array_equal(moved[f"{name}/embedding"], before[f"{name}/embedding"])
    plain, _ = run(Bpr(Fixed()), model, variables, PAIRS)
    worse, _ = run(Bpr(Fixed()), model, {"params": unflatten_dict(moved, sep="/")}, PAIRS)
    assert worse > plain
    assert metrics["adversarial"] == pytest.approx(float(worse), rel=1e-5)
    assert loss == pytest.approx(float(plain + 2 * worse), rel=1e-5)


def test_the_move_is_a_constant_to_the_gradient():
    model, variables = factors()
    objective = Adversarial(Bpr(Fixed()), perturbation_norm=0.3, share=2.0)
    found = gradient(objective, model, variables, PAIRS)
    SEEN.clear()
    Adversarial(Recording(Fixed()), perturbation_norm=0.3)(model.apply, variables, PAIRS, KEY)
    moved = {"params": SEEN[-1]}
    here, there = (gradient(Bpr(Fixed()), model, x, PAIRS) for x in (variables, moved))
    jax.tree.map(
        lambda a, b, c: np.testing.assert_allclose(a, b + 2 * c, atol=1e-6), found, here, there
    )


@pytest.mark.parametrize(
    "objective",
    [
        FullSoftmax(chunk=7, smoothing=0.1),
        SampledSoftmax(Uniform(3), shared=False),
        BprMax(Popularity(5)),
        L2Penalty(Bpr()),
    ],
    ids=str,
)
def test_any_objective_may_be_made_adversarial(objective):
    model, variables = sasrec()
    loss, metrics = run(Adversarial(objective, perturbation_norm=0.01), model, variables)
    plain, _ = run(objective, model, variables)
    assert loss == pytest.approx(float(plain + metrics["adversarial"]), rel=1e-5)
    assert metrics["adversarial"] > plain


@pytest.mark.parametrize(
    "objective", [L2Penalty(Bpr()), Adversarial(Bpr()), L2Penalty(Adversarial())], ids=str
)
def test_a_batch_of_weight_0_has_no_loss_and_no_gradient(objective):
    model, variables = factors()
    batch = PAIRS.replace(weights=jnp.zeros_like(PAIRS.weights))
    loss, _ = run(objective, model, variables, batch)
    assert loss == 0
    for leaf in gradient(objective, model, variables, batch).values():
        assert jnp.all(leaf == 0)


def test_by_rows_an_adversarial_objective_trains_whole_tables():
    """It reads them whole, which is told from lookups, so that nothing of the gradient is lost."""
    optimizer, objective = Adagrad(learning_rate=0.1), Adversarial(Bpr(), perturbation_norm=0.1)
    whole, _ = trained(optimizer, objective=objective)
    rows, _ = trained(dataclasses.replace(optimizer, tables="rows"), objective=objective)
    assert_equal(rows.params, whole.params)


@pytest.mark.slow
class TestAdversarial(ModelContract):
    config = MatrixFactorizationConfig(embed_dim=8)
    objective = L2Penalty(Adversarial(Bpr(), perturbation_norm=0.1), decay=1e-5)


@pytest.mark.parametrize("change", [Mask(0.5), Substitute(0.5)], ids=str)
def test_an_augmented_objective_is_the_objective_on_a_changed_history(change):
    model, variables = sasrec()
    loss, _ = run(Augmented(Bpr(Fixed()), change), model, variables)
    changed = change(BATCH, jax.random.split(KEY)[1])
    assert (changed.history != BATCH.history).any()
    assert loss == pytest.approx(float(run(Bpr(Fixed()), model, variables, changed)[0]), rel=1e-5)
    assert loss != pytest.approx(float(run(Bpr(Fixed()), model, variables)[0]), rel=1e-5)


def test_changes_that_would_show_or_ask_for_the_wrong_items_are_refused():
    with pytest.raises(InputError, match=r"change is Crop\(.*; give Mask or Substitute"):
        Augmented(Bpr(), Crop())
    for inner in (MaskedItems(), Reconstruction(), L2Penalty(MaskedItems())):
        with pytest.raises(InputError, match=f"objective is {type(inner).__name__}, which asks"):
            Augmented(inner)


@pytest.mark.parametrize("around", [L2Penalty, Adversarial])
def test_what_goes_around_an_objective_hides_items_or_reconstructs_if_it_does(around):
    assert around(MaskedItems()).hides_items
    assert around(Reconstruction()).reconstructs
    assert not around(Bpr()).hides_items
    assert not around(Bpr()).reconstructs


def test_penalties_of_whole_batches_refuse_parts():
    config = load_config("ml1m_ultragcn_ultragcn")
    parts = dataclasses.replace(config.train, accumulate=2)
    for objective in (config.objective, L2Penalty(), Adversarial(L2Penalty())):
        with pytest.raises(InputError, match=r"accumulate is 2, and the penalty of (Graph|L2Pen)"):
            dataclasses.replace(config, objective=objective, train=parts)
    dataclasses.replace(config, objective=L2Penalty(decay=0.0), train=parts)
