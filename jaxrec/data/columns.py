"""Columns of a table: found by name, turned into numbers, seconds and event codes."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxrec.errors import InputError

NAMES = {
    "user": (
        "user userid uid u customer customerid visitor visitorid session sessionid reviewerid "
        "account accountid member memberid person reader listener profile"
    ),
    "item": (
        "item itemid iid i movie movieid product productid article articleid asin parentasin book "
        "bookid isbn track trackid song songid artist artistid business businessid video videoid "
        "news newsid game gameid anime animeid"
    ),
    "value": "value rating score stars label weight count plays playcount overall quantity",
    "timestamp": (
        "timestamp time ts unixtime unixtimestamp unixreviewtime date datetime eventtime eventdate "
        "createdat t"
    ),
    "event": "event eventtype action behavior behaviour",
}
"""Names by role, without case, spaces and punctuation; of two in one table the earlier wins."""

REQUIRED = ("user", "item")

Rows = Sequence[int] | np.ndarray
"""Places in the source, by which errors name an entry."""


class AmbiguousDate(InputError):
    """A column of dates that can be read month first and day first."""


def guess_columns(
    names: Sequence[str], given: Mapping[str, str | None] | None = None
) -> dict[str, str]:
    """Find which column plays which role: {"user": "userId", …}; roles without a column are absent.

    A name in `given` is taken as it stands; the other roles are guessed. A RecBole type, as in
    `user_id:token`, is no part of the name.
    """
    found = {role: name for role, name in (given or {}).items() if name is not None}
    for role, name in found.items():
        if name not in names:
            raise InputError(
                f"there is no column {name!r} for the {role}; the columns are {_listed(names)}"
            )
    for role, name in found.items():
        other = next(x for x in found if found[x] == name)
        if other != role:
            raise InputError(f"the column {name!r} cannot be both the {other} and the {role}")
    free = {_plain(name): name for name in reversed(names) if name not in found.values()}
    for role in NAMES:
        candidates = [free[plain] for plain in NAMES[role].split() if plain in free]
        if role not in found and candidates:
            found[role] = candidates[0]
    for role in REQUIRED:
        if role not in found:
            raise InputError(
                f"no column looks like the {role}; name it (--data.{role}-column), "
                f"the columns are {_listed(names)}"
            )
    return found


def numbers(column: Any, name: str, rows: Rows | None = None) -> np.ndarray:
    """Turn a column into float64; text that is no number is an error that names the row."""
    series = pd.Series(column)
    if pd.api.types.is_numeric_dtype(series.dtype):
        return series.to_numpy(np.float64, na_value=np.nan)
    parsed = pd.to_numeric(series, errors="coerce")
    _refuse(parsed.isna() & series.notna(), series, f"the {name} {{}} {{}} is not a number", rows)
    return parsed.to_numpy(np.float64, na_value=np.nan)


def seconds(column: Any, name: str = "timestamp", rows: Rows | None = None) -> np.ndarray:
    """Turn numbers (as they stand), dates or their text (UTC unless it says else) into seconds."""
    series = pd.Series(column)
    if pd.api.types.is_numeric_dtype(series.dtype):
        return series.to_numpy(np.float64, na_value=np.nan)
    dates = pd.api.types.is_datetime64_any_dtype(series.dtype)
    if not dates and not pd.to_numeric(series[:1000], errors="coerce").isna().any():
        return numbers(series, name, rows)
    parsed = _dates(series, name)
    bad = parsed.isna() & series.notna()
    _refuse(bad, series, f"the {name} {{}} {{}} is neither a number nor a date", rows)
    ticks = parsed.dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.where(np.isnat(ticks), np.nan, ticks.astype(np.int64) / 1e6)


def event_codes(column: Any, rows: Rows | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number the kinds of event from 0 in ascending order of their names."""
    codes, names = pd.factorize(pd.Series(column).astype("str"), sort=True)
    _refuse(codes < 0, pd.Series(column), "the event {} {} is missing", rows)
    if len(names) > 127:
        raise InputError(
            f"the event column holds {len(names):,} different names, and at most 127 are kinds of "
            "event; name another column"
        )
    return codes.astype(np.int8), tuple(str(name) for name in names)


def is_date(text: str) -> bool:
    """Tell whether a text is a date in some form, be its month or its day first."""
    return any(parsed.notna().all() for parsed in _readings(pd.Series([text])))


def _dates(series: pd.Series, name: str) -> pd.Series:
    """Read dates in the form that fits them all; if none does, in the one that fits the most."""
    readings = _readings(series)
    fitting = [parsed for parsed in readings if _fits(parsed, series)]
    if not fitting:
        return max(readings, key=lambda parsed: parsed.notna().sum())
    differs = series.notna() & (fitting[0] != fitting[-1])
    if differs.any():
        raise AmbiguousDate(
            f"the {name} {series[differs].iloc[0]!r} may have its month or its day first, and no "
            "other date tells which; write dates as YYYY-MM-DD"
        )
    return fitting[0]


def _readings(series: pd.Series) -> list[pd.Series]:
    """Read dates as ISO 8601; else also in the form of the first, month first and day first."""
    iso = pd.to_datetime(series, errors="coerce", utc=True, format="ISO8601")
    if _fits(iso, series):
        return [iso]
    first = str(series[series.notna()].iloc[0])
    with warnings.catch_warnings(action="ignore"):  # of a first date that fits one order only
        forms = [pd.tseries.api.guess_datetime_format(first, dayfirst=x) for x in (False, True)]
    return [iso] + [
        pd.to_datetime(series, errors="coerce", utc=True, format=form)
        for form in dict.fromkeys(forms)
        if form is not None
    ]


def _fits(parsed: pd.Series, series: pd.Series) -> bool:
    return not (parsed.isna() & series.notna()).any()


def _refuse(bad: Any, series: pd.Series, sentence: str, rows: Rows | None) -> None:
    """Name the first bad place; `sentence` has slots for the value and the row."""
    bad = np.asarray(bad, bool)
    if bad.any():
        place = int(bad.argmax())
        row = place if rows is None else rows[place]
        raise InputError(
            sentence.format(repr(series.iloc[place]), f"in row {row} (rows count from 0)")
            + "; correct or remove that row"
        )


def _plain(name: str) -> str:
    return "".join(c for c in str(name).split(":")[0].lower() if c.isalnum())


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(str(name) for name in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")
