"""Events as JSON objects, one a line."""

import json
import math
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxrec.data.columns import guess_columns, seconds
from jaxrec.data.sources import files
from jaxrec.data.sources.events import Columns, RawEvents
from jaxrec.data.sources.text_table import guess_note
from jaxrec.errors import InputError


def read_jsonl(path: Path, columns: Columns) -> RawEvents:
    """Read the fields that play a role, found by the names in the first object."""
    first = next(_objects(path), None)
    if first is None:
        raise InputError(f"{path} is empty; give a file with events")
    try:
        roles = guess_columns(list(first[1]), columns.given())
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    dates = isinstance(first[1].get(roles.get("timestamp", "")), str)
    codes = {role: array("i") for role in roles if role in ("user", "item", "event")}
    codes |= {"timestamp": array("i")} if dates else {}
    known: dict[str, dict[str, int]] = {role: {} for role in codes}
    numbers = {role: array("d") for role in roles if role not in codes}
    for line, value in _objects(path):
        for role, name in roles.items():
            try:
                if role in codes:
                    text = _text(value.get(name))
                    codes[role].append(known[role].setdefault(text, len(known[role])))
                else:
                    numbers[role].append(_number(value.get(name)))
            except (ValueError, OverflowError) as error:
                raise InputError(
                    f"{path}, line {line}: the {role} (field {name}) {error}"
                ) from None
    columns_read: dict[str, Any] = {role: np.array(x, np.float64) for role, x in numbers.items()}
    for role in codes:
        entries = np.array(codes[role], np.int32)
        values = pd.Index(np.array(list(known[role]), dtype=object))
        columns_read[role] = pd.Series(pd.Categorical.from_codes(entries, categories=values))
    if dates:
        columns_read["timestamp"] = _dates(path, columns_read["timestamp"])
    return RawEvents(**columns_read, notes=(guess_note(path, True, roles, columns),))


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in files.lines(path):
        if text.strip():
            try:
                value = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise InputError(
                    f"{path}, line {line} is not JSON; correct or remove it"
                ) from error
            if not isinstance(value, dict):
                raise InputError(f"{path}, line {line} is not a JSON object; correct or remove it")
            yield line, value


def _text(value: Any) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is None or value == "":
        raise ValueError("is missing; fill it or remove that line")
    raise ValueError("is neither text nor a whole number; correct or remove that line")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("is not a number; correct or remove that line")
    try:
        number = float(value)
    except ValueError:
        raise ValueError(
            f"{str(value)[:40]!r} is not a number; correct or remove that line"
        ) from None
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not finite; correct or remove that line")
    return number


def _dates(path: Path, column: pd.Series) -> np.ndarray:
    try:
        parsed = seconds(pd.Series(column.cat.categories))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return parsed[column.cat.codes.to_numpy()]
