"""Ridge regressions of items against dense inverses: in place, on a device, from neighbours."""

import jax
import numpy as np
import pytest

from jaxrec.baselines import gram, item_regression
from jaxrec.baselines.item_regression import NOT_DEFINITE, regress, solve_in_place, solve_on_device
from jaxrec.baselines.item_weights import known_items
from jaxrec.errors import InputError
from tests.linear import ITEMS, all_scores, dense, random_events

PENALTY = np.linspace(2.0, 9.0, ITEMS + 1)


def expected_weights(met, penalty=PENALTY):
    inverse = np.linalg.inv(met.T @ met + np.diag(penalty))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


@pytest.mark.parametrize("solve", [solve_in_place, solve_on_device])
def test_both_solvers_give_the_closed_form(solve, monkeypatch):
    monkeypatch.setattr(gram, "BLOCK", 200)
    monkeypatch.setattr(item_regression, "SWEPT_AT_ONCE", 7)
    events = random_events()
    found = solve(known_items(events), PENALTY)
    np.testing.assert_allclose(found, expected_weights(dense(events)), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("solve", [solve_in_place, solve_on_device])
def test_a_singular_problem_is_refused(solve):
    with pytest.raises(InputError, match=r"raise model\.l2"):
        solve(known_items(random_events()), np.full(ITEMS + 1, -3.0))
    assert "l2" in NOT_DEFINITE


def test_the_program_of_a_device_holds_three_arrays():
    """Counts what XLA sets aside beside the arguments: scratch space and the result."""
    size = 700
    entries = np.zeros((1, 5), np.int32)
    compiled = item_regression._solve.lower(
        entries, entries, np.ones(size, np.float32), 1
    ).compile()
    memory = compiled.memory_analysis()
    taken = memory.temp_size_in_bytes + memory.output_size_in_bytes
    assert taken < (item_regression.ON_DEVICE + 0.1) * 4 * size**2


def test_scores_are_the_histories_times_the_weights():
    events = random_events()
    met = dense(events)
    state = regress("EASE", known_items(events), PENALTY, None, 2**20)
    scores = all_scores(state, events)
    np.testing.assert_allclose(scores, met @ expected_weights(met), rtol=1e-3, atol=1e-4)


def test_each_item_is_regressed_on_its_nearest(monkeypatch):
    """Blocks of three items, the last one short."""
    monkeypatch.setattr(item_regression, "ITEMS_IN_SUBGRAM", 18)
    monkeypatch.setattr(gram, "BLOCK", 200)
    events = random_events()
    met = dense(events)
    shared = met.T @ met
    expected = np.zeros((ITEMS + 1, ITEMS + 1))
    norms = np.sqrt(np.maximum(np.diag(shared), 1))
    for item in range(1, ITEMS + 1):
        cosine = shared[item] / norms
        cosine[item] = 0
        near = np.argsort(-cosine, kind="stable")[:5]
        near = near[cosine[near] > 0]
        system = shared[np.ix_(near, near)] + np.diag(PENALTY[near])
        expected[near, item] = np.linalg.solve(system, shared[near, item])
    state = regress("EASE", known_items(events), PENALTY, 5, 2**20)
    np.testing.assert_allclose(all_scores(state, events), met @ expected, rtol=1e-3, atol=1e-4)


def test_more_neighbours_come_nearer_to_the_dense_solution():
    events = random_events(users=400)
    known, met = known_items(events), dense(events)
    penalty = np.full(ITEMS + 1, 20.0)
    whole = met @ expected_weights(met, penalty)
    errors = [
        np.abs(all_scores(regress("EASE", known, penalty, k, 2**30), events) - whole).mean()
        for k in (4, 12, ITEMS - 1)
    ]
    assert errors[0] > 1.5 * errors[1] > 0
    assert errors[2] < 1e-4


@pytest.mark.parametrize("neighbours", [None, 5])
def test_what_does_not_fit_memory_is_refused_with_what_to_use_instead(neighbours):
    with pytest.raises(InputError, match=r"EASE may take .* GiB.*model\.neighbours"):
        regress("EASE", known_items(random_events()), PENALTY, neighbours, 1000)


def test_the_budget_of_a_device_is_that_of_its_program(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    known, one = known_items(random_events()), 4 * (ITEMS + 1) ** 2
    with pytest.raises(InputError):
        regress("EASE", known, PENALTY, None, 3 * one - 1)
    regress("EASE", known, PENALTY, None, 3 * one)
