"""Each solver of small least squares against the normal equations, row by row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrec.baselines.least_squares import Cholesky, ConjugateGradient, Subspace
from jaxrec.errors import InputError

ROWS, ENTRIES, DIM = 5, 7, 6


def problem(weighted):
    """Rows of 3 to 7 entries; the last row has none."""
    rng = np.random.default_rng(0)
    present = np.arange(ENTRIES) < np.array([3, 4, 5, 7, 0])[:, None]
    vectors = rng.normal(size=(ROWS, ENTRIES, DIM)) * present[..., None]
    weights = rng.uniform(0.5, 3, (ROWS, ENTRIES)) * present if weighted else None
    shared = rng.uniform(0.5, 2, (ROWS, DIM))
    return [None if x is None else x.astype(np.float32) for x in (vectors, weights, shared)]


def exact(vectors, weights, shared):
    weights = np.ones(vectors.shape[:2]) if weights is None else weights
    return np.stack(
        [
            np.linalg.solve((v.T * w) @ v + np.diag(s), v.T @ w)
            for v, w, s in zip(vectors, weights, shared)
        ]
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("solver", "calls"),
    [
        (Cholesky(), 1),
        (ConjugateGradient(steps=DIM), 2),
        (ConjugateGradient(steps=100, tolerance=1e-6), 1),
        (Subspace(block_size=DIM), 1),
        (Subspace(block_size=4), 50),
    ],
)
def test_the_normal_equations_are_solved(solver, calls, weighted):
    vectors, weights, shared = problem(weighted)
    x = jnp.ones((ROWS, DIM), jnp.float32)
    for _ in range(calls):
        x = jax.jit(solver)(vectors, weights, shared, shared + 1, x)
    np.testing.assert_allclose(x, exact(vectors, weights, shared), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: ConjugateGradient(steps=0), "steps"),
        (lambda: ConjugateGradient(tolerance=-1.0), "tolerance"),
        (lambda: Subspace(block_size=0), "block_size"),
    ],
)
def test_bad_values_are_refused(make, name):
    with pytest.raises(InputError, match=name):
        make()
