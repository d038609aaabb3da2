"""What every reader ends with: raw columns of events, joined, checked and encoded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxrec.data.columns import event_codes
from jaxrec.data.interactions import PARTS, Interactions, Order
from jaxrec.errors import InputError


@dataclass(frozen=True)
class Files:
    """Where a source is: one path, or the files of a data set that is already split."""

    path: str | Path | None = None
    train: str | Path | None = None
    validation: str | Path | None = None
    test: str | Path | None = None
    candidates: str | Path | None = None

    def parts(self) -> dict[str, Path]:
        """Return the files by part; a whole source is the part ""."""
        if self.train is None:
            if self.test or self.validation:
                raise InputError("a split data set needs --data.train beside its other files")
            if not self.path:
                raise InputError("no data is named; give --data.path or --data.train")
            return {"": Path(self.path)}
        given = {"train": self.train, "validation": self.validation, "test": self.test}
        return {part: Path(path) for part, path in given.items() if path is not None}

    def one(self) -> Path:
        """Return the path of a source that cannot be given in parts."""
        if self.train or self.validation or self.test or self.path is None:
            raise InputError("this format is read whole; give --data.path, not the parts")
        return Path(self.path)


@dataclass(frozen=True)
class Columns:
    """Names of the columns by role; None leaves the role to be guessed."""

    user: str | None = None
    item: str | None = None
    value: str | None = None
    timestamp: str | None = None
    event: str | None = None
    order: Order = "time"
    """What the timestamps are: seconds, or places in the user's own sequence."""

    def given(self) -> dict[str, str | None]:
        return {
            role: getattr(self, role) for role in ("user", "item", "value", "timestamp", "event")
        }


@dataclass(frozen=True, eq=False)
class RawEvents:
    """Events of one file, in its order; user and item as `Interactions.build` takes them."""

    user: Any
    item: Any
    value: np.ndarray | None = None
    timestamp: np.ndarray | None = None
    event: pd.Series | None = None
    notes: tuple[str, ...] = ()


def join(
    parts: dict[str, RawEvents], order: Order = "time"
) -> tuple[Interactions, tuple[str, ...]]:
    """Encode the events of all parts together; columns that not every part has are left out.

    With order "position" and no timestamps, events stand in the order of their user's sequence.
    """
    notes = [note for raw in parts.values() for note in raw.notes]
    columns: dict[str, Any] = {}
    for name in ("user", "item", "value", "timestamp", "event"):
        arrays = [getattr(raw, name) for raw in parts.values()]
        missing = [part for part, array in zip(parts, arrays, strict=True) if array is None]
        if missing and len(missing) < len(parts):
            notes.append(f"the {name} column is left out, since {missing[0]} has none")
        columns[name] = None if missing else _concatenated(arrays)
    part = None
    if "" not in parts:
        sizes = [len(raw.user) for raw in parts.values()]
        part = np.repeat(np.array([PARTS.index(name) for name in parts], np.int8), sizes)
    codes: np.ndarray | None = None
    names: tuple[str, ...] = ()
    if columns["event"] is not None:
        codes, names = event_codes(columns["event"])
    if columns["timestamp"] is None and order == "position":
        users = pd.Series(columns["user"])
        columns["timestamp"] = users.groupby(users, observed=True, sort=False).cumcount().to_numpy()
    interactions = Interactions.build(
        columns["user"],
        columns["item"],
        columns["value"],
        columns["timestamp"],
        event=codes,
        part=part,
        event_names=names,
        order=order if columns["timestamp"] is not None else "row",
    )
    return interactions, tuple(notes)


def _concatenated(arrays: list[Any]) -> Any:
    if len(arrays) == 1:
        return arrays[0]
    if all(isinstance(array, np.ndarray) for array in arrays):
        return np.concatenate(arrays)
    series = [pd.Series(array) for array in arrays]
    if all(isinstance(x.dtype, pd.CategoricalDtype) for x in series):
        return pd.Series(pd.api.types.union_categoricals(series))
    return pd.concat([x.astype(object) for x in series], ignore_index=True)


def align(table: pd.DataFrame, ids: Any, rows: np.ndarray, size: int) -> pd.DataFrame:
    """Give a table one row for each vocabulary entry; its row i belongs to rows[i] (0: nowhere).

    ids is only named in errors: what stands twice is refused.
    """
    kept = np.flatnonzero(rows > 0)
    counts = np.bincount(rows[kept], minlength=size + 1)
    if counts.max(initial=0) > 1:
        twice = np.asarray(ids, dtype=object)[kept[counts[rows[kept]] > 1][0]]
        raise InputError(f"the side table has the id {twice} twice; keep one row for each")
    place = np.full(size, -1, np.int64)
    place[rows[kept] - 1] = kept
    return table.reset_index(drop=True).reindex(place).reset_index(drop=True)
