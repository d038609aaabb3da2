"""Ragged rows in few rectangles: rows of like length stand in one, so that little is padding."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int
from scipy import sparse

LENGTHS = 12
"""Rectangles of a table: more have less padding, and take longer to compile."""
CANDIDATES = 256
"""Lengths among which those of the rectangles are chosen."""


class Shape(NamedTuple):
    """`chunks` times `rows` rows on each device, of `length` entries each."""

    chunks: int
    rows: int
    length: int


class Rectangle(NamedTuple):
    """Rows of like length; axes: chunk, row of any device, entry.

    columns: places in the other table, of a row of zeros where there is no entry.
    weights: of the entries, or None if all are 1.
    counts:  entries of each row.
    """

    columns: Int[Array, "chunks rows length"]
    weights: Float[Array, "chunks rows length"] | None
    counts: Float[Array, "chunks rows"]


@dataclass(frozen=True, eq=False)
class Layout:
    """The order in which the rows of a table stand, so that each device finds its own side by side.

    Row 0 must be without entries: it also stands wherever a rectangle is filled up.

    place: where each row stands. rows: which row stands at each place.
    """

    shapes: tuple[Shape, ...]
    place: np.ndarray
    rows: np.ndarray
    devices: int

    @staticmethod
    def build(counts: np.ndarray, devices: int, entries: int) -> "Layout":
        """Lay out rows of `counts` entries, of which a device takes about `entries` at once."""
        lengths = best_lengths(counts)
        chosen = np.searchsorted(lengths, counts)
        shapes, parts = [], []
        for index, length in enumerate(lengths):
            rows = np.flatnonzero(chosen == index)
            rows = rows[np.argsort(counts[rows], kind="stable")]
            # A single row would be computed without a matrix product, many times as slow (XLA).
            chunks = -(-len(rows) // (devices * max(entries // int(length), 2)))
            size = max(-(-len(rows) // (devices * chunks)), 2)
            filled = np.zeros(chunks * devices * size, np.int64)
            filled[: len(rows)] = rows
            shapes.append(Shape(chunks, size, int(length)))
            # A chunk's rows are dealt to the devices, so that each has short and long ones.
            parts.append(filled.reshape(chunks, size, devices).transpose(2, 0, 1))
        order = np.concatenate([part.reshape(devices, -1) for part in parts], axis=1).reshape(-1)
        place = np.zeros(len(counts), np.int64)
        place[order] = np.arange(len(order))
        return Layout(tuple(shapes), place, order, devices)

    def fill(self, matrix: sparse.csr_array, other: "Layout") -> list[Rectangle]:
        """Write the matrix, whose rows stand in this order and its columns in the other's."""
        filled, start = [], 0
        counts = np.diff(matrix.indptr)
        rows = self.rows.reshape(self.devices, -1)
        same = bool(np.all(matrix.data == 1))
        for chunks, size, length in self.shapes:
            stop = start + chunks * size
            own = rows[:, start:stop].reshape(self.devices, chunks, size).swapaxes(0, 1)
            row, start = own.reshape(chunks, -1), stop
            within = np.arange(length) < counts[row][..., None]
            entry = np.where(within, matrix.indptr[row][..., None] + np.arange(length), 0)
            columns: Any = other.place[np.where(within, matrix.indices[entry], 0)].astype(np.int32)
            weights: Any = (
                None if same else np.where(within, matrix.data[entry], 0).astype(np.float32)
            )
            entries: Any = counts[row].astype(np.float32)
            filled.append(Rectangle(columns, weights, entries))
        return filled


def best_lengths(counts: np.ndarray, most: int = LENGTHS) -> np.ndarray:
    """Choose at most so many lengths, ascending, that rows padded to the next one waste least."""
    needed, rows = np.unique(np.maximum(-(-counts // 4) * 4, 4), return_counts=True)
    if len(needed) > CANDIDATES:
        kept = np.searchsorted(needed, np.geomspace(needed[0], needed[-1], CANDIDATES) - 1e-6)
        kept = np.unique(np.minimum(kept, len(needed) - 1))
        rows = np.bincount(np.searchsorted(needed[kept], needed), rows)
        needed = needed[kept]
    if len(needed) <= most:
        return needed
    upto = np.concatenate([[0], np.cumsum(rows)])
    # entries[i, j]: the candidates from i to before j are padded to the longest of them.
    entries = (upto[None, 1:] - upto[:-1, None]) * needed[None, :].astype(float)
    entries = np.where(np.tri(len(needed), k=-1, dtype=bool), np.inf, entries)
    least, chosen = entries[0], []
    for _ in range(most - 1):
        total = np.concatenate([[np.inf], least[:-1]])[:, None] + entries
        chosen.append(total.argmin(0))
        least = total.min(0)
    ends = [len(needed) - 1]
    for first in reversed(chosen):
        ends.append(int(first[ends[-1]]) - 1)
    return needed[ends[::-1]]
