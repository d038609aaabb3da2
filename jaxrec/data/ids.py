"""Raw ids, put in order and numbered from 1; the array functions behind Vocabulary."""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import numpy as np
import pandas as pd

from jaxrec.errors import InputError

LONGEST_ID = 1_000  # characters; beyond it the file was surely cut at the wrong delimiter


def encode(
    raw: Any, name: str, source_rows: Sequence[int] | np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct ids, ascending, and the number (from 1, int32) of each entry.

    raw: NumPy array, pandas Series or sequence, of integers or text. In errors `name` says "user"
    or "item", and source_rows which row.
    """
    if not isinstance(raw, np.ndarray):
        raw = raw if isinstance(raw, pd.Series) else pd.Series(raw)
        whole = pd.api.types.is_integer_dtype(raw.dtype) and not raw.hasnans
        raw = raw.to_numpy(raw.dtype.name.lower()) if whole else raw
    if (
        isinstance(raw, np.ndarray)
        and raw.dtype.kind in "iu"
        and raw.dtype != np.uint64
        and len(raw)
    ):
        low, high = int(raw.min()), int(raw.max())
        if high - low < max(4 * len(raw), 1 << 20):
            return _encode_dense(raw, low, high)
    distinct, codes = _distinct(raw)
    if len(codes) and codes.min() < 0:
        place = int((codes < 0).argmax())
        row = place if source_rows is None else source_rows[place]
        raise InputError(
            f"the {name} id in row {row} (rows count from 0) is missing; fill it or remove that row"
        )
    ids, rank = np.unique(_canonical(distinct, name), return_inverse=True)
    return ids, (rank + 1).astype(np.int32)[codes]


def lookup(ids: np.ndarray, raw: Any) -> np.ndarray:
    """Number raw ids, int32, by ascending ids; 0 where unknown or missing."""
    asked, codes = _distinct(raw)
    if not len(asked) or not len(ids):
        return np.zeros(len(codes), np.int32)
    if ids.dtype == np.int64:
        numbers = [_integer(x) for x in asked.tolist()]
        fits = np.array([x is not None for x in numbers])
        keys = np.array([0 if x is None else x for x in numbers], np.int64)
    else:
        fits, keys = np.ones(len(asked), bool), _texts(asked)
    place = np.minimum(np.searchsorted(ids, keys), len(ids) - 1)
    found = np.where(fits & (ids[place] == keys), place + 1, 0).astype(np.int32)
    return np.append(found, np.int32(0))[codes]


def _encode_dense(raw: np.ndarray, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    """Number integers of a narrow range through a lookup table: no sort, no hash."""
    shifted = raw if low == 0 else raw.astype(np.int64, copy=False) - low
    present = np.zeros(high - low + 1, bool)
    present[shifted] = True
    table = np.cumsum(present, dtype=np.int32)
    return np.flatnonzero(present).astype(np.int64) + low, table[shifted]


def _distinct(raw: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct values as they appear, and the code of each entry (-1: missing)."""
    series = (
        raw if isinstance(raw, pd.Series) else pd.Series(raw, dtype=None if len(raw) else object)
    )
    codes, values = pd.factorize(series)
    values = np.asarray(values.to_numpy() if hasattr(values, "to_numpy") else values)
    if values.dtype.kind == "f" and bool(
        np.all(np.abs(values) < 2**53) and np.all(values % 1 == 0)
    ):
        values = values.astype(np.int64)
    empty = (
        [i for i, x in enumerate(values.tolist()) if x == ""] if values.dtype.kind in "OU" else []
    )
    return values, np.where(np.isin(codes, empty), -1, codes) if empty else codes


def _canonical(distinct: np.ndarray, name: str) -> np.ndarray:
    """Make int64 of ids that are all plain integers, text of all others."""
    if distinct.dtype.kind in "iub" and distinct.dtype != np.uint64:
        return distinct.astype(np.int64)
    numbers = list(takewhile(lambda x: x is not None, map(_integer, distinct.tolist())))
    if len(numbers) == len(distinct):
        return np.array(numbers, np.int64)
    texts = _texts(distinct)
    longest = texts.dtype.itemsize // 4
    if longest > LONGEST_ID:
        raise InputError(
            f"an id of the {name}s is {longest:,} characters long; check the delimiter"
        )
    return texts


def _integer(value: Any) -> int | None:
    """Read a plain int64: 7 and "7", but not "007", "7.0" or True's text."""
    if isinstance(value, str):
        digits = value[1:] if value.startswith("-") else value
        plain = digits.isascii() and digits.isdigit() and (digits == "0" or digits[0] != "0")
        if not plain or len(digits) > 19 or value == "-0":
            return None
        value = int(value)
    return int(value) if isinstance(value, int) and -(2**63) <= value < 2**63 else None


def _texts(values: np.ndarray) -> np.ndarray:
    texts = [str(x) for x in values.tolist()]
    longest = max(map(len, texts), default=1)
    if longest > LONGEST_ID:  # never allocate len(texts) × longest
        return np.array([max(texts, key=len)])
    return np.array(texts, dtype=f"U{max(longest, 1)}")
