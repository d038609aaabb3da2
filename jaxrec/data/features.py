"""Side features of users and items: columns of a table, typed, and encoded as FeatureSpec says.

Vocabularies and statistics come from rows that occur in training; a missing value is a value.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from jaxrec.errors import InputError
from jaxrec.typing import FeatureSpec

Kind = Literal["categorical", "multi_categorical", "tokens", "numeric", "dense"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MISSING, UNSEEN, FIRST = 0, 1, 2
"""Codes of categories: a missing value, one unseen in training, and the first known one."""
MAX_VALUES = 64  # values kept of one entity's multi_categorical or tokens, the first ones
MAX_SCORE = 1e4  # standard deviations; a value further off is surely an error of the data
NAME_LIKE = 100  # text columns with more distinct values …
NAME_SHARE = 0.2  # … and more than this share of the rows name the entity, and are no feature
WORD = re.compile(r"\w+(?:'\w+)*")


@dataclass(frozen=True)
class Encoding:
    """How one column becomes arrays; applies to tables of entities that come later, too."""

    spec: FeatureSpec
    vocabulary: tuple[str, ...] = ()
    """Categories from code 2 on, in ascending order."""
    mean: float = 0.0
    std: float = 1.0
    length: int = 0
    """Values kept of one entity, for multi_categorical and tokens."""

    def codes_in(self, other: "Encoding") -> np.ndarray:
        """Give for each code here the same category's code there; 0 where it has none."""
        codes = {value: code for code, value in enumerate(other.vocabulary, FIRST)}
        known = [codes.get(value, MISSING) for value in self.vocabulary]
        return np.array([MISSING, UNSEEN, *known], np.int32)


def fit_features(
    table: pd.DataFrame | None, train_rows: np.ndarray, columns: Sequence[str] | None = None
) -> tuple[tuple[FeatureSpec, ...], dict[str, np.ndarray], tuple[Encoding, ...]]:
    """Learn encodings from the rows (1..n) in train_rows; encode the whole table, row 0 as missing.

    columns: "name" or "name:kind"; None takes every column that is no name of its entity.
    """
    if table is None:
        if columns:
            raise InputError(
                f"there is no table for the feature {columns[0]!r}; give one, or no features"
            )
        return (), {}, ()
    rows = np.unique(np.asarray(train_rows))
    known = np.zeros(len(table), bool)
    known[rows[rows > 0] - 1] = True
    encodings = tuple(_fit(table, known, column, kind) for column, kind in _chosen(table, columns))
    return tuple(x.spec for x in encodings), encode(table, encodings), encodings


def encode(table: pd.DataFrame, encodings: Sequence[Encoding]) -> dict[str, np.ndarray]:
    """Encode each column; the arrays have a row of missing values in front."""
    return {x.spec.name: _encode(table[x.spec.name], x) for x in encodings}


def guess_kind(column: pd.Series) -> Kind | None:
    """Tell the kind by the values; None for a column that holds nothing, or names its entity."""
    values = [value for value in column.tolist() if not _missing(value)]
    if not values:
        return None
    if any(isinstance(value, list | tuple | np.ndarray) for value in values):
        lists = [list(value) for value in values if not isinstance(value, str | int | float)]
        numbers = all(isinstance(x, float) for value in lists for x in value)
        same = len({len(value) for value in lists}) == 1 and len(lists[0]) > 0
        return "dense" if numbers and same else "multi_categorical"
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return "numeric"
    texts = {_text(value) for value in values}
    if any("|" in text for text in texts):
        return "multi_categorical"
    return None if len(texts) > max(NAME_LIKE, NAME_SHARE * len(values)) else "categorical"


def _chosen(table: pd.DataFrame, columns: Sequence[str] | None) -> list[tuple[str, Kind]]:
    if columns is None:
        guessed = [(str(name), guess_kind(table[name])) for name in table.columns]
        return [(name, kind) for name, kind in guessed if kind is not None]
    chosen: list[tuple[str, Kind]] = []
    for asked in columns:
        name, colon, kind = asked.rpartition(":")
        name, kind = (name, kind) if colon and asked not in table.columns else (asked, "")
        if name not in table.columns:
            raise InputError(
                f"there is no column {name!r} for a feature; the columns are "
                f"{', '.join(map(str, table.columns))}"
            )
        if kind and kind not in KINDS:
            raise InputError(
                f"the feature {asked!r} has no known kind; the kinds are {', '.join(KINDS)}"
            )
        if any(name == other for other, _ in chosen):
            raise InputError(f"the feature {name!r} is named twice; name it once")
        asked_kind = kind if kind else guess_kind(table[name])
        chosen.append((name, asked_kind or "categorical"))
    return chosen


def _fit(table: pd.DataFrame, known: np.ndarray, name: str, kind: Kind) -> Encoding:
    if kind == "numeric":
        return _fit_numeric(name, _numbers(table[name])[known])
    if kind == "dense":
        size = _dense_size(table[name])
        return Encoding(FeatureSpec(name, "dense", size), length=size)
    lists = _lists(table[name][known], kind)
    vocabulary = tuple(sorted({value for values in lists for value in values}))
    length = 1 if kind == "categorical" else min(MAX_VALUES, max(map(len, lists), default=0) or 1)
    return Encoding(FeatureSpec(name, kind, FIRST + len(vocabulary)), vocabulary, length=length)


def _fit_numeric(name: str, values: np.ndarray) -> Encoding:
    present = values[~np.isnan(values)]
    mean = float(present.mean()) if len(present) else 0.0
    std = float(present.std()) if len(present) else 0.0
    constant = std <= 1e-6 * abs(mean) or not math.isfinite(std)
    return Encoding(FeatureSpec(name, "numeric", 2), mean=mean, std=1.0 if constant else std)


def _encode(column: pd.Series, encoding: Encoding) -> np.ndarray:
    kind = encoding.spec.kind
    if kind == "numeric":
        return _encode_numeric(column, encoding)
    if kind == "dense":
        return _encode_dense(column, encoding)
    codes = {value: code for code, value in enumerate(encoding.vocabulary, start=FIRST)}
    array = np.full((len(column) + 1, encoding.length), MISSING, np.int32)
    for row, values in enumerate(_lists(column, kind), start=1):
        kept = [codes.get(value, UNSEEN) for value in values[: encoding.length]]
        array[row, : len(kept)] = kept
    return array[:, 0] if kind == "categorical" else array


def _encode_numeric(column: pd.Series, encoding: Encoding) -> np.ndarray:
    values = _numbers(column)
    present = ~np.isnan(values)
    scaled = np.clip((values - encoding.mean) / encoding.std, -MAX_SCORE, MAX_SCORE)
    array = np.zeros((len(values) + 1, 2), np.float32)
    array[1:, 0] = np.where(present, scaled, 0.0)
    array[1:, 1] = present
    return array


def _encode_dense(column: pd.Series, encoding: Encoding) -> np.ndarray:
    array = np.zeros((len(column) + 1, encoding.spec.size), np.float32)
    for row, value in enumerate(column.tolist(), start=1):
        if _missing(value):
            continue
        if (
            np.shape(value) != (encoding.spec.size,)
            or not np.isfinite(np.asarray(value, float)).all()
        ):
            raise InputError(
                f"the feature {encoding.spec.name!r} is not a list of {encoding.spec.size} finite "
                f"numbers in row {row}; correct it"
            )
        array[row] = value
    return array


def _dense_size(column: pd.Series) -> int:
    for value in column.tolist():
        if not _missing(value):
            if np.ndim(value) == 1 and len(value):
                return len(value)
            raise InputError(
                f"the feature {column.name!r} is not a list of numbers; give another kind"
            )
    raise InputError(f"the feature {column.name!r} holds no values; leave it out")


def _numbers(column: pd.Series) -> np.ndarray:
    """Return float64 with NaN where missing; text and infinities are refused."""
    try:
        values = np.array(
            [math.nan if _missing(value) else float(value) for value in column.tolist()], np.float64
        )
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"the feature {column.name!r} does not hold numbers; give another kind"
        ) from None
    if np.any(np.abs(values) > np.finfo(np.float32).max):
        raise InputError(f"the feature {column.name!r} holds an infinite or huge value; correct it")
    return values


def _lists(column: pd.Series, kind: str) -> list[list[str]]:
    """Return the category values of each row: none where missing, one where categorical."""
    rows: list[list[str]] = []
    for value in column.tolist():
        if _missing(value):
            rows.append([])
        elif kind == "tokens":
            text = " ".join(map(_text, value)) if isinstance(value, list | tuple) else _text(value)
            rows.append(WORD.findall(text.lower()))
        elif isinstance(value, list | tuple | np.ndarray):
            if kind == "categorical":
                raise InputError(
                    f"the feature {column.name!r} holds lists; its kind is multi_categorical"
                )
            rows.append([_text(x) for x in value if not _missing(x)])
        elif kind == "multi_categorical":
            rows.append([x for x in (part.strip() for part in _text(value).split("|")) if x])
        else:
            rows.append([_text(value)])
    return rows


def _text(value: Any) -> str:
    """Write a category: 1995.0, as a table with gaps holds it, is 1995."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _missing(value: Any) -> bool:
    if isinstance(value, list | tuple | np.ndarray):
        return False
    return value is None or value is pd.NA or value is pd.NaT or value != value or value == ""
