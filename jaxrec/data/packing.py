"""Packing of short sequences into rows of one length, so that less of a batch is padding."""

import numpy as np
from jaxtyping import Int

Places = Int[np.ndarray, "rows capacity"]


def pack(
    lengths: Int[np.ndarray, "examples"], capacity: int
) -> tuple[Int[np.ndarray, "examples"], Int[np.ndarray, "examples"]]:
    """Give each example a row and a first column, so that none overlap; rows count from 0.

    Best fit, the longest first: an example goes where the least space is left over. Lengths lie
    within 1..capacity.
    """
    row, start = np.empty_like(lengths), np.empty_like(lengths)
    open_rows: list[list[int]] = [[] for _ in range(capacity + 1)]  # by the space left in them
    rows = 0
    for example in np.argsort(-lengths, kind="stable"):
        length = int(lengths[example])
        space = next((s for s in range(length, capacity) if open_rows[s]), capacity)
        if space == capacity:
            row[example], rows = rows, rows + 1
        else:
            row[example] = open_rows[space].pop()
        start[example] = capacity - space
        open_rows[space - length].append(int(row[example]))
    return row, start


def packed_places(
    first: Int[np.ndarray, "examples"], lengths: Int[np.ndarray, "examples"], capacity: int
) -> tuple[Places, Places]:
    """Lay out runs of consecutive numbers, the i-th from first[i] on, in packed rows.

    The first answer holds the numbers, and -1 at padding, which stands in front; the second counts
    the runs of each row from 1, and is 0 at padding.
    """
    row, start = pack(lengths, capacity)
    used = np.bincount(row, lengths).astype(np.int64)
    run = np.repeat(np.arange(len(lengths)), lengths)
    step = np.arange(len(run)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    column = start[run] + step + (capacity - used)[row[run]]
    numbers = np.full((len(used), capacity), -1, np.int32)
    numbers[row[run], column] = first[run] + step
    begins = np.zeros((len(used), capacity), np.int32)
    begins[row, start + (capacity - used)[row]] = 1
    return numbers, np.cumsum(begins, 1, dtype=np.int32)
