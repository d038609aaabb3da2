"""How alike items (or users) are, and which are nearest: what the neighbourhood methods share.

Aiolli, "Efficient Top-N Recommendation for Very Large Scale Binary Rated Datasets" (RecSys 2013),
for the asymmetric cosine; Ferrari Dacrema et al., "A Troubling Analysis of Reproducibility and
Progress in Recommender Systems Research" (TOIS 2021), for the choice of what is worth tuning.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy import sparse

from jaxrec.baselines.item_weights import known_items
from jaxrec.baselines.memory import check_memory
from jaxrec.baselines.sparse_rows import largest
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError

ENTRIES_AT_ONCE = 2**20
"""Similarities computed at once by a thread while fitting."""
THREADS = min(os.cpu_count() or 1, 8)
"""Threads that compute similarities; the libraries below hold no lock meanwhile."""
BYTES_PER_ENTRY = 32
"""Peak memory of a weight that is kept: row, column and value, and their transpose."""
DENSE_SHARE = 0.5
"""Share of all pairs that must have something in common for their products to be laid out whole."""
DENSE_SPEEDUP = 200
"""Multiplications of a dense matrix product in the time of one of a sparse product (on a CPU)."""

Weigh = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From x·y of a known and a scored row, and the numbers of these rows, to the weight."""


@dataclass(frozen=True)
class Neighbourhood:
    """How alike two items, or two users, are, and how many neighbours count.

    One is a known item (or the user who asks), x; the other is a scored item (or another user), y.
    Their vectors are the sets of users (items) whom they met, 1 or, weighted, more or less.
    """

    similarity: Literal["cosine", "adjusted_cosine", "dot", "jaccard", "tversky", "asymmetric"] = (
        "cosine"
    )
    """cosine: x·y / (|x| |y|). dot: x·y. asymmetric: x·y / (|x|^2a |y|^2b), b = 1 - a (Aiolli).
    tversky: c / (c + a (|x|^2 - c) + b (|y|^2 - c)), c = x·y. jaccard: the same, a = b = 1.
    adjusted_cosine: the cosine of values less their user's mean; the others read sets only."""
    neighbours: int | None = None
    """Most similar ones that are kept, equal ones by row; None: all with something in common."""
    pruning: Literal["column", "row", "both"] = "column"
    """Whose nearest are kept: those of y (column of w_xy), of x (row), or both, first by row."""
    shrinkage: float = 0.0
    """Weights are multiplied by c / (c + shrinkage), c being the number of users (items) shared."""
    alpha: float = 0.5
    """The a of tversky and asymmetric; NOTE the asymmetric 1 - a of Ferrari Dacrema et al."""
    beta: float = 0.5
    """The b of tversky."""
    weighting: Literal["none", "tfidf", "bm25"] = "none"
    """Weights of the sets with cosine, dot and asymmetric: of whom (what) few others met, more."""
    bm25_k1: float = 1.2
    """How little the second factor of bm25, the size of a set, matters."""
    bm25_b: float = 0.75
    """How far bm25 lets large sets count less: from 0, not at all, to 1."""
    memory_budget: int = 2**32
    """Bytes that fitting may take; what would take more is refused."""

    def __post_init__(self) -> None:
        if self.neighbours is not None and self.neighbours < 1:
            raise InputError(f"model.neighbours is {self.neighbours}; give a whole number from 1")
        for name, low, high in (
            ("shrinkage", 0, np.inf),
            ("alpha", 0, 1 if self.similarity == "asymmetric" else np.inf),
            ("beta", 0, np.inf),
            ("bm25_k1", 0, np.inf),
            ("bm25_b", 0, 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                bounds = f"from {low}" if high == np.inf else f"within {low} and {high}"
                raise InputError(f"model.{name} is {value}; give a number {bounds}")
        if self.similarity == "tversky" and self.alpha + self.beta == 0:
            raise InputError("model.alpha and model.beta are 0; give tversky one above 0")
        if self.weighting != "none" and self.similarity not in ("cosine", "dot", "asymmetric"):
            raise InputError(
                f"model.weighting is {self.weighting}, but {self.similarity} weighs no sets; "
                "leave it at none, or take cosine, dot or asymmetric"
            )

    def vectors(self, sets: sparse.csr_array) -> sparse.csr_array:
        """Weigh the sets of the rows; with adjusted_cosine they are values, see `centred`."""
        found = sets.astype(np.float32)
        found.data *= self.rarity(sets)[sets.indices]
        if self.weighting == "bm25":
            counts = np.diff(found.indptr)
            length = 1 - self.bm25_b + self.bm25_b * counts / max(counts[1:].mean(), 1e-9)
            factor = (self.bm25_k1 + 1) / (self.bm25_k1 * length + 1)
            found.data *= np.repeat(np.float32(factor), counts)
        return found

    def rarity(self, sets: sparse.csr_array) -> np.ndarray:
        """Weigh each column by the logarithm of its rarity, where the configuration says so."""
        if self.weighting == "none":
            return np.ones(sets.shape[1], np.float32)
        met = np.bincount(sets.indices, minlength=sets.shape[1])
        return np.log((sets.shape[0] - 1) / (1 + met)).astype(np.float32)

    def denominator(self, squares: np.ndarray) -> tuple[Any, ...]:
        """Give power, scale, term, share: w = x·y / (|x|^2power scale + term + share x·y).

        squares: |y|^2 of each row; scale and term are given for each row.
        """
        squares = np.where(squares > 0, squares, 1).astype(np.float32)
        if self.similarity in ("jaccard", "tversky"):
            a, b = (1.0, 1.0) if self.similarity == "jaccard" else (self.alpha, self.beta)
            return 1.0, np.full_like(squares, a), np.float32(b) * squares, 1 - a - b
        power = {"dot": 0.0, "asymmetric": self.alpha}.get(self.similarity, 0.5)
        other = 0.0 if self.similarity == "dot" else 1 - power
        return power, squares**other, np.zeros_like(squares), 0.0

    def weigh(self, squares: np.ndarray) -> Weigh:
        """Make the function that turns products of the rows of these |x|^2 into weights."""
        power, scale, term, share = self.denominator(squares)
        known = np.where(squares > 0, squares, 1).astype(np.float32) ** np.float32(power)

        def weigh(dot: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
            total = known[x] * scale[y]
            if term.any():
                total += term[y] + np.float32(share) * dot
            return dot / total

        return weigh

    def weights(self, vectors: sparse.csr_array) -> sparse.csr_array:
        """Weigh all pairs of rows, known × scored, and prune; raises InputError if too large."""
        found = nearest(
            vectors,
            self.weigh(vectors.power(2).sum(1)),
            self.neighbours,
            "column" if self.pruning == "column" else "row",
            self.shrinkage,
            self.memory_budget,
        )
        return nearest_of_columns(found, self.neighbours) if self.pruning == "both" else found


def centred(train: Interactions) -> sparse.csr_array:
    """Give the matrix of users × items of values less the user's mean; of pairs met twice the mean.

    Raises InputError where no user tells items apart.
    """
    met = known_items(train)
    entries = (train.user, train.item)
    total = sparse.csr_array((train.value.astype(np.float64), entries), met.shape)
    events = sparse.csr_array((np.ones(len(train)), entries), met.shape)
    counts = np.diff(met.indptr)
    values = total.data / events.data
    user = np.repeat(np.arange(len(counts)), counts)
    values -= (np.bincount(user, values, len(counts)) / np.maximum(counts, 1))[user]
    values[np.abs(values) < 1e-6] = 0
    if not values.any():
        raise InputError(
            "adjusted_cosine compares values, but every user gives one value to everything; "
            "take another model.similarity"
        )
    return sparse.csr_array((values, met.indices, met.indptr), met.shape)


def nearest(
    vectors: sparse.csr_array,
    weigh: Weigh,
    neighbours: int | None,
    by: Literal["row", "column"],
    shrinkage: float,
    memory_budget: int,
) -> sparse.csr_array:
    """Give the weights of known × scored rows, the largest of each row or of each column.

    Block by block: the whole is never there at once. Raises InputError if what is kept may not fit.
    """
    sets = sparse.csr_array((np.ones_like(vectors.data), *_pattern(vectors)), vectors.shape)
    size, width = vectors.shape
    # At most so many rows share a column with each row: the other rows of its columns.
    met = sets @ (np.bincount(vectors.indices, minlength=width) - 1.0)
    entries = np.minimum(met, size)
    needed = BYTES_PER_ENTRY * np.minimum(entries, neighbours or size).sum()
    check_memory("the nearest neighbours", needed, memory_budget, "lower model.neighbours")
    fits = 4 * size * (width + 2 * size) <= memory_budget
    dense = bool(fits and entries.sum() >= DENSE_SHARE * size**2)
    products = _products(vectors, met, dense)
    weighted = np.any(vectors.data != 1)
    shared = _products(sets, met, dense) if shrinkage and weighted else products

    def block(rows: slice) -> sparse.csr_array:
        found = products(rows)
        row, column = _rows(found, rows.start), found.indices
        known, scored = (row, column) if by == "row" else (column, row)
        weights = weigh(found.data, known, scored)
        if shrinkage and not weighted:
            weights *= found.data / (found.data + np.float32(shrinkage))
        found = sparse.csr_array((weights, *_pattern(found)), found.shape)
        if shrinkage and weighted:
            common = shared(rows)
            common.data /= common.data + np.float32(shrinkage)
            found = found.multiply(common).tocsr()
        found.data[(_rows(found, rows.start) == found.indices) | (found.data == 0)] = -np.inf
        return largest(found, neighbours or size)

    upto = np.cumsum(np.full(size, size) if dense else entries)
    limits = np.searchsorted(upto, np.arange(0, upto[-1], ENTRIES_AT_ONCE), "right")
    limits = np.unique([0, *limits, size]).tolist()
    with ThreadPoolExecutor(THREADS) as pool:
        blocks = list(pool.map(block, map(slice, limits[:-1], limits[1:])))
    found = sparse.vstack(blocks, format="csr")
    return found if by == "row" else found.T.tocsr()


def nearest_of_columns(weights: sparse.csr_array, neighbours: int | None) -> sparse.csr_array:
    """Keep the largest weights of each column, of equal ones the first."""
    if neighbours is None:
        return weights
    return largest(weights.T.tocsr(), neighbours).T.tocsr()


def _products(
    vectors: sparse.csr_array, met: np.ndarray, dense: bool
) -> Callable[[slice], sparse.csr_array]:
    """Make the function that gives x·y of some rows with all rows; a dense one counts zeros too."""
    if not dense:
        others = vectors.T.tocsr()
        return lambda rows: vectors[rows] @ others
    dots, size = _gram(vectors, met + np.diff(vectors.indptr)), vectors.shape[0]

    def products(rows: slice) -> sparse.csr_array:
        number = rows.stop - rows.start
        columns = np.tile(np.arange(size, dtype=np.int32), number)
        ends = size * np.arange(number + 1, dtype=np.int32)
        return sparse.csr_array((dots[rows].ravel(), columns, ends), (number, size))

    return products


def _gram(vectors: sparse.csr_array, work: np.ndarray) -> np.ndarray:
    """Multiply each row with each: the fullest by a dense product, the others by a sparse one.

    work: the multiplications of each row's sparse product with all rows.
    """
    size, width = vectors.shape
    order = np.argsort(-work, kind="stable")
    saved = np.cumsum(work[order]) - np.arange(1, size + 1) ** 2.0 * width / DENSE_SPEEDUP
    cut = int(np.argmax(saved)) + 1
    full, rest = order[:cut], order[cut:]
    dots = np.empty((size, size), np.float32)
    dense = vectors[full].toarray()
    dots[np.ix_(full, full)] = dense @ dense.T
    others = vectors.T.tocsr()
    parts = [rest[i :: 4 * THREADS] for i in range(4 * THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        for rows, part in zip(parts, pool.map(lambda x: vectors[x] @ others, parts), strict=True):
            dots[rows] = part.toarray()
            dots[:, rows] = dots[rows].T
    return dots


def _pattern(matrix: sparse.csr_array) -> tuple[np.ndarray, np.ndarray]:
    return matrix.indices, matrix.indptr


def _rows(matrix: sparse.csr_array, first: int = 0) -> np.ndarray:
    """Give the row of each entry."""
    rows = np.arange(first, first + matrix.shape[0], dtype=np.int32)
    return np.repeat(rows, np.diff(matrix.indptr))
