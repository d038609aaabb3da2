"""Say what a data set holds, and write it as one table that every reader of jaxrec reads again."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from jaxrec.data.interactions import PARTS, Dataset, Interactions
from jaxrec.data.prepare import Prepared
from jaxrec.errors import InputError

_WRITERS = (".csv", ".tsv", ".jsonl", ".parquet")


def describe(dataset: Dataset, rows: int = 5) -> str:
    """Describe counts, density, columns, time, values, activity, and show the first rows."""
    events = dataset.interactions
    num_users, num_items = len(events.users), len(events.items)
    density = 100 * len(events) / max(num_users * num_items, 1)
    lines = [
        f"{dataset.name}: {len(events):,} events, {num_users:,} users, {num_items:,} items, "
        f"density {density:.3g} %",
        *([f"licence: {dataset.licence}"] if dataset.licence else []),
        f"order:   {_order(events)}",
        f"value:   {_numbers(events.value)}, {len(np.unique(events.value)):,} distinct",
        *_named("events", events.event, events.event_names),
        *_named("parts", events.part, PARTS),
        f"events of a user: {_numbers(_counts(events.user, num_users))}",
        f"events of an item: {_numbers(_counts(events.item, num_items))}",
        *_table("user columns", dataset.user_table, None),
        *_table("item columns", dataset.item_table, dataset.title),
        "first rows:",
        to_frame(events.take(np.arange(min(rows, len(events))))).to_string(index=False),
    ]
    return "\n".join(lines)


def headline(prepared: Prepared) -> str:
    """Say in a line what a run trains and is judged on, and what cleaning took away."""
    split, events = prepared.split, prepared.dataset.interactions
    parts = [(name, getattr(split, name)) for name in ("train", "validation", "test")]
    sizes = ", ".join(f"{len(part):,} {name}" for name, part in parts)
    steps = "".join(
        f"; {step.name} removed {step.events:,} events, {step.users:,} users, {step.items:,} items"
        for step in prepared.cleaning
    )
    return (
        f"data: {prepared.dataset.name}, {len(events.users):,} users, {len(events.items):,} items, "
        f"events: {sizes}{steps}"
    )


def to_frame(events: Interactions) -> pd.DataFrame:
    """Give the events in raw ids: user, item, value, and timestamp, event, part where known."""
    columns = {
        "user": events.users.raw(events.user),
        "item": events.items.raw(events.item),
        "value": _plain(events.value),
    }
    if events.order != "row":
        columns["timestamp"] = _plain(events.timestamp)
    if events.event is not None:
        columns["event"] = np.asarray(events.event_names, object)[events.event]
    if events.part is not None:
        columns["part"] = np.asarray(PARTS, object)[events.part]
    return pd.DataFrame(columns)


def table_kind(path: Path) -> str:
    """Give the ending of a table to be written; another one than `write_table` knows is refused."""
    kind = path.suffix.lower()
    if kind not in _WRITERS:
        raise InputError(f"{path} has no known ending; end it with one of {', '.join(_WRITERS)}.")
    return kind


def write_table(events: Interactions, path: Path) -> None:
    """Write the events as .csv, .tsv, .jsonl or .parquet; the file appears whole or not at all."""
    kind = table_kind(path)
    frame = to_frame(events)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == ".parquet":
            frame.to_parquet(temporary, index=False)
        elif kind == ".jsonl":
            frame.to_json(temporary, orient="records", lines=True)
        else:
            frame.to_csv(temporary, index=False, sep="\t" if kind == ".tsv" else ",")
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None


def _plain(numbers: np.ndarray) -> np.ndarray:
    """Write whole numbers as such."""
    whole = np.all(np.trunc(numbers) == numbers) and np.all(np.abs(numbers) < 2**53)
    return numbers.astype(np.int64) if whole else numbers


def _order(events: Interactions) -> str:
    if events.order == "row":
        return "the rows of the source (no times)"
    if events.order == "position":
        return "the position in each user's sequence (no times)"
    if not len(events):
        return "by time"
    return f"by time, {_date(events.timestamp.min())} to {_date(events.timestamp.max())}"


def _date(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(float(seconds), UTC).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, OSError, ValueError):
        return f"{seconds:g}"


def _counts(rows: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(rows, minlength=size + 1)[1:]


def _numbers(values: np.ndarray) -> str:
    if not len(values):
        return "none"
    low, first, median, third, high = np.quantile(values, (0, 0.25, 0.5, 0.75, 1))
    return (
        f"min {low:g}, quartiles {first:g}, {median:g}, {third:g}, max {high:g}, "
        f"mean {values.mean():.4g}"
    )


def _named(title: str, codes: np.ndarray | None, names: Sequence[str]) -> list[str]:
    if codes is None:
        return []
    counts = np.bincount(codes, minlength=len(names))
    return [
        f"{title}:  " + ", ".join(f"{n} {c:,}" for n, c in zip(names, counts, strict=True) if c)
    ]


def _table(label: str, table: pd.DataFrame | None, title: str | None) -> list[str]:
    if table is None:
        return []
    names = [f"{name} (the title)" if name == title else str(name) for name in table.columns]
    return [f"{label}: {', '.join(names)}"]
