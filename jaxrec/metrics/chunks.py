"""The questions of an evaluation, laid out in chunks of one shape."""

from collections.abc import Iterator
from typing import Any, no_type_check

import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Int

from jaxrec.metrics.questions import Questions, spans

LENGTHS = 4
"""How many lengths of histories are told apart, so that few shapes compile."""


@struct.dataclass
@no_type_check
class Chunk:
    """Questions asked at once. number is -1 in rows that only fill the chunk.

    seen, avoided: places in the flattened scores; those beyond its end fill up.
    """

    number: Int[Array, "questions"]
    user: Int[Array, "questions"]
    start: Int[Array, "questions"]
    stop: Int[Array, "questions"]
    targets: Int[Array, "questions targets"]
    listed: Int[Array, "questions candidates"]
    seen: Int[Array, "known"]
    avoided: Int[Array, "avoided"]


def chunks(
    questions: Questions,
    seen: Questions | None,
    avoided: Questions | None,
    lists: np.ndarray | None,
    size: int,
    num_items: int,
) -> Iterator[Chunk]:
    """Lay the questions out in chunks of one shape.

    seen, avoided: where the known items of the same questions stand; lists: candidates by user row.
    """
    targets_of = np.diff(questions.target_indptr)
    most_targets = max(int(targets_of.max()), 1)
    bounds = [
        (start, min(start + size, len(questions))) for start in range(0, len(questions), size)
    ]
    widths = [_most_known(of, bounds) for of in (seen, avoided)]
    for start, stop in bounds:
        rows, fill = np.arange(start, stop), (0, size - (stop - start))
        targets = np.zeros((size, most_targets), np.int32)
        at = np.repeat(np.arange(stop - start), targets_of[rows])
        first, last = questions.target_indptr[[start, stop]]
        column = np.arange(first, last) - questions.target_indptr[rows][at]
        targets[at, column] = questions.targets[first:last]
        user = np.pad(questions.user[rows], fill)
        places = [
            _places(of, rows, num_items + 1, width, size)
            for of, width in zip((seen, avoided), widths, strict=True)
        ]
        fields: dict[str, Any] = {
            "number": np.pad(rows, fill, constant_values=-1).astype(np.int32),
            "user": user.astype(np.int32),
            "start": np.pad(questions.start[rows], fill).astype(np.int32),
            "stop": np.pad(questions.stop[rows], fill).astype(np.int32),
            "targets": targets,
            "listed": np.zeros((size, 0), np.int32) if lists is None else lists[user],
            "seen": places[0],
            "avoided": places[1],
        }
        yield Chunk(**fields)


def columns_of(chunk: Chunk, length: int) -> int:
    """Count the columns that the chunk's longest history needs, `length` at most, in steps."""
    known = min(int((chunk.stop - chunk.start).max()), length)
    step = -(-length // LENGTHS)
    return min(-(-max(known, 1) // max(step, 1)) * step, length)


def _most_known(questions: Questions | None, bounds: list[tuple[int, int]]) -> int:
    """Count the known items of the chunk that has most, rounded up so that few shapes compile."""
    if questions is None:
        return 0
    before = np.concatenate([[0], np.cumsum(questions.stop - questions.start)])
    most = max(int(before[stop] - before[start]) for start, stop in bounds)
    return 2 ** int(np.ceil(np.log2(max(most, 1))))


def _places(
    questions: Questions | None, rows: np.ndarray, width: int, count: int, size: int
) -> np.ndarray:
    """Give the places of the rows' known items in the flattened scores."""
    places = np.full(count, size * width, np.int32)
    if questions is not None:
        starts, stops = questions.start[rows], questions.stop[rows]
        row = np.repeat(np.arange(len(rows)), stops - starts)
        items = questions.items[spans(starts, stops - starts)]
        places[: len(row)] = row * width + items
    return places


def mask_of(places: Int[Array, "places"], rows: int, width: int) -> Bool[Array, "rows width"]:
    """Spread flat places into a mask; those beyond its end are dropped."""
    flat = jnp.zeros(rows * width, bool).at[places].set(True, mode="drop")
    return flat.reshape(rows, width)


def mark(
    mask: Bool[Array, "questions width"], columns: Int[Array, "questions n"]
) -> Bool[Array, "questions width"]:
    """Add each row's columns to a mask."""
    return mask.at[jnp.arange(mask.shape[0])[:, None], columns].set(True)
