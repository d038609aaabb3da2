"""Many small regularised least squares at once, the step of alternating least squares.

For each row of the batch, with the vectors v of its entries and their weights w:

    (sum of w v v' + diag(shared)) x = sum of w v

`shared` is what entries have no part in. It is diagonal because the vectors were rotated into the
eigenbasis of their Gram matrix, in which a0 V'V + l2 I is, whatever l2 each row has.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxrec.errors import InputError

Vectors = Float[Array, "rows entries dim"]
Weights = Float[Array, "rows entries"] | None
Solutions = Float[Array, "rows dim"]


@runtime_checkable
class Solver(Protocol):
    """Solve for all rows; `start` is a guess, `likely` the diagonal that rows are likely to have.

    Padding is an entry of a zero vector, or of weight 0; no weights are weights of 1.
    """

    def __call__(
        self,
        vectors: Vectors,
        weights: Weights,
        shared: Solutions,
        likely: Solutions,
        start: Solutions,
    ) -> Solutions: ...


@dataclass(frozen=True)
class ConjugateGradient:
    """A few steps of the preconditioned method, from the last solution (Takács et al. 2011).

    The preconditioner is the diagonal that is likely, at no cost. On MovieLens-1M two steps come
    further in a sweep than three without it, and a sweep of many steps no further than of three.
    """

    steps: int = 2
    """Most steps for a row; each costs two products of its vectors with one."""
    tolerance: float = 0.0
    """Size of the residual, relative to the first, at which all rows are finished."""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"model.solver.steps is {self.steps}; give a whole number from 1")
        if not self.tolerance >= 0:
            raise InputError(f"model.solver.tolerance is {self.tolerance}; give a number from 0")

    def __call__(
        self,
        vectors: Vectors,
        weights: Weights,
        shared: Solutions,
        likely: Solutions,
        start: Solutions,
    ) -> Solutions:
        """Give the last iterate."""
        residual = _gradient(vectors, weights, shared, start, 1.0)
        direction = residual / likely
        first = _dot(residual, direction)
        State = tuple[Int[Array, ""], Solutions, Solutions, Solutions, Float[Array, "rows 1"]]

        def unfinished(state: State) -> Bool[Array, ""]:
            step, *_, size = state
            return (step < self.steps) & jnp.any(size > self.tolerance**2 * first)

        def improve(state: State) -> State:
            step, x, residual, direction, size = state
            image = -_gradient(vectors, weights, shared, direction, 0.0)
            curvature = _dot(direction, image)
            length = jnp.where(curvature > 0, size / curvature, 0.0)
            x, residual = x + length * direction, residual - length * image
            changed = residual / likely
            later = _dot(residual, changed)
            ratio = jnp.where(size > 0, later / size, 0.0)
            return step + 1, x, residual, changed + ratio * direction, later

        return jax.lax.while_loop(
            unfinished, improve, (jnp.int32(0), start, residual, direction, first)
        )[1]


@dataclass(frozen=True)
class Cholesky:
    """Solve exactly; the cost grows with dim² for an entry and with dim³ for a row."""

    def __call__(
        self,
        vectors: Vectors,
        weights: Weights,
        shared: Solutions,
        likely: Solutions,
        start: Solutions,
    ) -> Solutions:
        """Factorise each matrix."""
        return _solve(vectors, weights, shared, _total(vectors, weights))


@dataclass(frozen=True)
class Subspace:
    """Solve exactly for a block of dimensions after the other (iALS++, Rendle et al. 2021)."""

    block_size: int = 32
    """Dimensions solved for at once, the others held."""

    def __post_init__(self) -> None:
        if self.block_size < 1:
            raise InputError(
                f"model.solver.block_size is {self.block_size}; give a whole number from 1"
            )

    def __call__(
        self,
        vectors: Vectors,
        weights: Weights,
        shared: Solutions,
        likely: Solutions,
        start: Solutions,
    ) -> Solutions:
        """Pass once over all blocks; the last one overlaps where they do not divide dim."""
        dim = start.shape[1]
        size = min(self.block_size, dim)

        def improve(
            block: Int[Array, ""], state: tuple[Solutions, Float[Array, "rows entries"]]
        ) -> tuple[Solutions, Float[Array, "rows entries"]]:
            x, missing = state
            at = jnp.minimum(block * size, dim - size)
            some = jax.lax.dynamic_slice_in_dim(vectors, at, size, 2)
            diagonal = jax.lax.dynamic_slice_in_dim(shared, at, size, 1)
            own = jax.lax.dynamic_slice_in_dim(x, at, size, 1)
            gradient = _total(some, _weigh(missing, weights)) - diagonal * own
            step = _solve(some, weights, diagonal, gradient)
            x = jax.lax.dynamic_update_slice_in_dim(x, own + step, at, 1)
            return x, missing - _scores(some, step)

        missing = 1.0 - _scores(vectors, start)
        return jax.lax.fori_loop(0, -(-dim // size), improve, (start, missing))[0]


def _gradient(
    vectors: Vectors, weights: Weights, shared: Solutions, x: Solutions, target: float
) -> Solutions:
    missing = _weigh(target - _scores(vectors, x), weights)
    return _total(vectors, missing) - shared * x


def _solve(vectors: Vectors, weights: Weights, diagonal: Solutions, right: Solutions) -> Solutions:
    weighted = vectors if weights is None else vectors * weights[..., None]
    matrix = jnp.einsum("nlk,nlj->nkj", weighted, vectors, precision="highest")
    matrix = matrix + diagonal[..., None] * jnp.eye(diagonal.shape[1])[None]
    factor = jax.lax.linalg.cholesky(matrix)
    return jax.scipy.linalg.cho_solve((factor, True), right[..., None])[..., 0]


def _scores(vectors: Vectors, x: Solutions) -> Float[Array, "rows entries"]:
    return jnp.einsum("nlk,nk->nl", vectors, x, precision="highest")


def _total(vectors: Vectors, weights: Weights) -> Solutions:
    if weights is None:
        return vectors.sum(1)
    return jnp.einsum("nlk,nl->nk", vectors, weights, precision="highest")


def _weigh(x: Float[Array, "rows entries"], weights: Weights) -> Float[Array, "rows entries"]:
    return x if weights is None else x * weights


def _dot(x: Solutions, y: Solutions) -> Float[Array, "rows 1"]:
    return jnp.sum(x * y, axis=1, keepdims=True)
