"""Behaviour as columns: who met which item, when, and how much it meant; and raw ids <-> rows."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from jaxrec.data.columns import event_codes, guess_columns, numbers, seconds
from jaxrec.data.ids import encode, lookup
from jaxrec.errors import InputError

PARTS = ("train", "validation", "test", "validation_history", "test_history")
"""Parts of a pre-split source; a history part is given when its part is asked, and is no target."""

Order = Literal["time", "position", "row"]

COLUMNS = ("user", "item", "value", "timestamp", "row", "event", "part")


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Raw ids of rows 1..n; row 0 is padding (items) or unknown (users). `ids` is int64 or str.

    Ids ascend: by number when all are integers that int64 holds, written plainly ("7", not "007"),
    else as text. So rows do not depend on the order of the source.
    """

    ids: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, raw: Any) -> np.ndarray:
        """Look ids up, int32; 0 where unknown or missing. "7" and 7 are the same id."""
        return lookup(self.ids, raw)

    def raw(self, rows: Any) -> np.ndarray:
        """Return the ids of rows 1..n; row 0 has none, and is refused."""
        rows = np.asarray(rows)
        if rows.size and (rows.min() < 1 or rows.max() > len(self)):
            raise ValueError(f"rows must be within 1..{len(self)}, got {rows.min()}..{rows.max()}")
        return self.ids[rows - 1]


@dataclass(frozen=True, eq=False)
class Interactions:
    """Events in the order (user, timestamp, source row); all columns have one length.

    order says what `timestamp` is: seconds ("time"), a place in the user's own sequence
    ("position"), or nothing ("row": all zero, so that the source's row order decides).
    event holds indices of event_names, part indices of PARTS, where the source has them.
    All subsets of one data set share its vocabularies, so the rows stay comparable.
    """

    users: Vocabulary
    items: Vocabulary

    user: np.ndarray  # int32, rows of the user vocabulary
    item: np.ndarray  # int32, rows of the item vocabulary
    value: np.ndarray  # float32
    timestamp: np.ndarray  # float64
    row: np.ndarray  # int64, 0-based place in the source
    event: np.ndarray | None = None  # int8
    part: np.ndarray | None = None  # int8
    event_names: tuple[str, ...] = ()
    order: Order = "row"

    def __len__(self) -> int:
        return len(self.user)

    def take(self, chosen: np.ndarray | slice) -> "Interactions":
        """Keep the events of a mask, a slice or ascending places; the vocabularies stay."""
        columns = {name: getattr(self, name) for name in COLUMNS}
        columns = {name: None if x is None else x[chosen] for name, x in columns.items()}
        return dataclasses.replace(self, **columns)

    @staticmethod
    def concatenate(*parts: "Interactions") -> "Interactions":
        """Join subsets of one data set, in DESIGN's order again."""
        first, filled = parts[0], [part for part in parts if len(part)]
        if any(part.users is not first.users or part.items is not first.items for part in parts):
            raise ValueError(
                "only subsets of one data set, sharing its vocabularies, can be joined"
            )
        if len(filled) < 2:
            return filled[0] if filled else first
        columns = {}
        for name in COLUMNS:
            arrays = [getattr(part, name) for part in filled]
            columns[name] = None if arrays[0] is None else np.concatenate(arrays)
        return dataclasses.replace(first, **_sorted(columns))

    @staticmethod
    def build(
        user_raw: Any,
        item_raw: Any,
        value: Any = None,
        timestamp: Any = None,
        row: Any = None,
        *,
        event: Any = None,
        part: Any = None,
        event_names: tuple[str, ...] = (),
        order: Order = "row",
    ) -> "Interactions":
        """Encode ids, check numbers and sort; one entry an event, in any order.

        Without `value` every event counts 1; with order "row" `timestamp` is not read. `row` counts
        from 0 in the source, and names an event in errors.
        """
        if len(user_raw) == 0:
            raise InputError(
                "there are no interactions in the data; give at least two users' events"
            )
        rows = (
            np.arange(len(user_raw), dtype=np.int64) if row is None else np.asarray(row, np.int64)
        )
        user_ids, user = encode(user_raw, "user", rows)
        item_ids, item = encode(item_raw, "item", rows)
        timed = order != "row" and timestamp is not None
        columns = {
            "user": user,
            "item": item,
            "value": _finite(
                np.ones(len(rows)) if value is None else value, np.float32, "value", rows
            ),
            "timestamp": _finite(
                timestamp if timed else np.zeros(len(rows)), np.float64, "timestamp", rows
            ),
            "row": rows,
            "event": None if event is None else np.asarray(event, np.int8),
            "part": None if part is None else np.asarray(part, np.int8),
        }
        return Interactions(
            Vocabulary(user_ids),
            Vocabulary(item_ids),
            **_sorted(columns),
            event_names=event_names,
            order=order if timed else "row",
        )

    @staticmethod
    def from_frame(
        frame: pd.DataFrame,
        *,
        user: str | None = None,
        item: str | None = None,
        value: str | None = None,
        timestamp: str | None = None,
        event: str | None = None,
        order: Order = "time",
    ) -> "Interactions":
        """Read a table of events; columns not named are guessed by `guess_columns`.

        Dates become seconds; with order "position" `timestamp` is a place in the sequence.
        """
        given = {"user": user, "item": item, "value": value, "timestamp": timestamp, "event": event}
        roles = guess_columns(list(frame.columns), given)
        events, event_names = event_codes(frame[roles["event"]]) if "event" in roles else (None, ())
        return Interactions.build(
            frame[roles["user"]],
            frame[roles["item"]],
            numbers(frame[roles["value"]], roles["value"]) if "value" in roles else None,
            seconds(frame[roles["timestamp"]], roles["timestamp"])
            if "timestamp" in roles
            else None,
            event=events,
            event_names=event_names,
            order=order,
        )


@dataclass(frozen=True, eq=False)
class Dataset:
    """A source, read: the events and, where it has them, tables of side information.

    user_table and item_table have one row for each vocabulary entry, in its order (so row r - 1);
    their columns are raw values, missing ones as NA; lists of values are Python lists.
    candidates: int32 [num_users + 1, m], 0-padded: what each user's test target is ranked against.
    """

    name: str
    interactions: Interactions
    user_table: pd.DataFrame | None = None
    item_table: pd.DataFrame | None = None
    candidates: np.ndarray | None = None
    title: str | None = None  # the column of item_table that people read
    sha256: dict[str, str] = field(default_factory=dict)  # file name -> digest
    licence: str | None = None
    notes: tuple[str, ...] = ()  # what the reader decided, said to the user


def check_enough(interactions: Interactions) -> None:
    """Refuse data of one user or one item, from which nothing can be ranked or compared."""
    for name, column in (("user", interactions.user), ("item", interactions.item)):
        distinct = np.count_nonzero(np.bincount(column)) if len(column) else 0
        if distinct < 2:
            only = "no" if distinct == 0 else "only one"
            raise InputError(
                f"the {len(interactions):,} interactions have {only} {name}, and a recommender "
                f"needs at least two; check the {name} column, the delimiter and the cleaning"
            )


def chronological(user: np.ndarray, timestamp: np.ndarray, row: np.ndarray) -> np.ndarray | None:
    """Return the places that sort events by (user, timestamp, row); None when they already are."""
    after = (np.diff(timestamp) > 0) | ((np.diff(timestamp) == 0) & (np.diff(row) >= 0))
    steps = np.diff(user)
    if np.all((steps > 0) | ((steps == 0) & after)):
        return None
    places = np.arange(len(user), dtype=np.int32 if len(user) < 2**31 else np.int64)
    for key in (row, timestamp):
        ordered = key[places]
        if np.any(ordered[1:] < ordered[:-1]):
            places = places[np.argsort(ordered, kind="stable")]
    return places[counting_sort(user[places])]


def counting_sort(keys: np.ndarray) -> np.ndarray:
    """Return the places that sort small non-negative integers, stably, in linear time."""
    # Transposing a sparse matrix of one entry a row does it, in C.
    places = np.arange(len(keys) + 1, dtype=np.int32 if len(keys) < 2**31 else np.int64)
    shape = (len(keys), int(keys.max(initial=0)) + 1)
    return sparse.csr_matrix((places[:-1], keys, places), shape=shape).tocsc().data


def _sorted(columns: dict[str, Any]) -> dict[str, Any]:
    places = chronological(columns["user"], columns["timestamp"], columns["row"])
    if places is None:
        return columns
    return {name: None if x is None else x[places] for name, x in columns.items()}


def _finite(column: Any, dtype: type, name: str, rows: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        array: np.ndarray = np.asarray(column).astype(dtype, copy=False)
    finite = np.isfinite(array)
    if not finite.all():
        place = int(np.argmin(finite))
        raise InputError(
            f"the {name} {np.asarray(column)[place]} in row {rows[place]} (rows count from 0) is "
            "missing, infinite or too large; correct or remove that row"
        )
    return array
