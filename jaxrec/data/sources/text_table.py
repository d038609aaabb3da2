"""Tables as text (csv, tsv and their like), parsed by Arrow; an error names the file's line."""

import csv
import io
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from jaxrec.data.columns import AmbiguousDate, guess_columns, is_date, seconds
from jaxrec.data.sources import files
from jaxrec.data.sources.events import Columns, RawEvents
from jaxrec.errors import InputError

BLOCK = 8 << 20  # bytes that Arrow parses at a time
UNIX_TIME = 1e8  # seconds; a third column this large holds times, not values
DELIMITERS = ",\t;|"
FIX = "correct or remove that line"
TEXT = pa.dictionary(pa.int32(), pa.string())


@dataclass(frozen=True)
class Layout:
    """How a table is written: what cuts fields, the names of the columns, lines before the data."""

    delimiter: str
    names: tuple[str, ...]
    skip: int
    sample: tuple[str, ...]
    """Fields of the first row of data, "" where there is none."""
    quoted: bool = True

    @property
    def header(self) -> bool:
        return self.skip > 0


def layout(path: Path, delimiter: str | None = None) -> Layout:
    """Look at the first lines. Without names in the first row, columns are called 1, 2, 3 …"""
    start = files.head(path)
    delimiter = _delimiter(start, delimiter or ",")
    quoted = delimiter != "\t" or '"' in "".join(start.split("\n")[:2])
    records = _records(io.StringIO(start, newline=""), delimiter, quoted)
    try:
        skip, first = next(records)
        while not first:
            skip, first = next(records)
        second: list[str] = next((record for _, record in records if record), [])
    except csv.Error as error:
        raise InputError(f"{path} cannot be read as a table: {error}") from error
    except StopIteration:
        raise InputError(f"{path} is empty; give a file with events") from None
    if len(first) < 2:
        raise InputError(
            f"{path} has the one column {first[0].strip()[:40]!r} when cut at {delimiter!r}; "
            "check --data.format"
        )
    if any(_number(field) is not None for field in first):
        names = tuple(str(i) for i in range(1, len(first) + 1))
        return Layout(delimiter, names, 0, tuple(first), quoted)
    names = tuple(name.strip() or f"column {i}" for i, name in enumerate(first, start=1))
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise InputError(f"{path} names the column {twice!r} twice; rename one of them")
    sample = tuple(second) if len(second) == len(names) else ("",) * len(names)
    return Layout(delimiter, names, skip, sample, quoted)


def read_events(path: Path, delimiter: str | None, columns: Columns) -> RawEvents:
    """Read the columns that play a role; the guess is said in the notes."""
    found = layout(path, delimiter)
    roles = _roles(path, found, columns)
    return read_roles(path, found, roles, (guess_note(path, found.header, roles, columns),))


def read_roles(
    path: Path, found: Layout, roles: dict[str, str], notes: tuple[str, ...] = ()
) -> RawEvents:
    """Read the named column of each role ("user", "item", "value", "timestamp", "event")."""
    files.head(path)
    places = {role: found.names.index(name) for role, name in roles.items()}
    dates = "timestamp" in roles and _is_text(found.sample[places["timestamp"]])
    types = {role: TEXT if role in ("user", "item", "event") else pa.float64() for role in roles}
    if dates:
        types["timestamp"] = TEXT
    try:
        table = parse(path, found, {f"{places[role]}": types[role] for role in roles})
        if not len(table):
            raise _no_events(path)
        raw = {role: table.column(f"{place}") for role, place in places.items()}
        arrays = {
            role: _category(x) if types[role] == TEXT else _numbers(x) for role, x in raw.items()
        }
        if dates:
            arrays["timestamp"] = _dates(path, arrays["timestamp"])
    except (pa.ArrowException, ValueError) as error:
        if type(error) is InputError:
            raise
        raise _explain(path, found, places, dates, str(error)) from error
    return RawEvents(**arrays, notes=notes)


def guess_note(path: Path, header: bool, roles: dict[str, str], columns: Columns) -> str:
    """Say which column plays which role, and which of them were guessed."""
    given = columns.given()
    said = ", ".join(
        f"{role} = {name}" + ("" if given[role] else " (guessed)") for role, name in roles.items()
    )
    return f"{path.name}: {said}" + ("" if header else "; it names no columns, so they go by place")


def parse(
    path: Path, found: Layout, types: dict[str, pa.DataType], every: bool = False
) -> pa.Table:
    """Parse the columns of these places ("0", "1", …) to these types, or every column."""
    with files.readable(path), files.open_bytes(path) as file:
        return pyarrow.csv.read_csv(
            file,
            read_options=pyarrow.csv.ReadOptions(
                block_size=BLOCK,
                skip_rows=found.skip,
                column_names=[str(i) for i in range(len(found.names))],
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=found.delimiter,
                quote_char='"' if found.quoted else False,
                newlines_in_values=found.quoted,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=types,
                include_columns=None if every else list(types),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )


def _roles(path: Path, found: Layout, columns: Columns) -> dict[str, str]:
    given = columns.given()
    if not found.header:
        third = _number(found.sample[2]) if len(found.sample) > 2 else None
        timed = third is not None and abs(third) >= UNIX_TIME
        order = ("user", "item", "timestamp") if timed else ("user", "item", "value", "timestamp")
        free = [name for name in found.names if name not in given.values()]
        for role, name in zip(order, found.names, strict=False):
            number = _number(found.sample[int(name) - 1]) is not None
            if given[role] is None and name in free and (number or role in ("user", "item")):
                given[role] = name
    try:
        return guess_columns(found.names, given)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _delimiter(start: str, default: str) -> str:
    """Take the default if the first line holds it, else the delimiter that it holds most."""
    first = start.lstrip("\r\n").split("\n", 1)[0]
    if default in first:
        return default
    best = max(DELIMITERS, key=first.count)
    return best if best in first else default


def _records(text: Iterable[str], delimiter: str, quoted: bool) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each record's last line and its fields."""
    csv.field_size_limit(sys.maxsize)
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(text, delimiter=delimiter, quoting=quoting)
    for record in reader:
        yield reader.line_num, record


def _number(field: str) -> float | None:
    try:
        return float(field) if "_" not in field else None
    except ValueError:
        return None


def _is_text(field: str) -> bool:
    return bool(field.strip()) and _number(field) is None


def _category(column: pa.ChunkedArray) -> pd.Series:
    """Turn dictionary-encoded text into a categorical, fields stripped; none may be empty."""
    chunks = column.unify_dictionaries().chunks
    values = chunks[0].dictionary.to_pylist() if chunks else []
    parts = [x.indices.fill_null(-1).to_numpy(zero_copy_only=False) for x in chunks]
    codes: np.ndarray = np.concatenate(parts) if parts else np.zeros(0, np.int32)
    stripped = [value.strip() for value in values]
    if stripped != values:
        distinct = {value: code for code, value in enumerate(dict.fromkeys(stripped))}
        mapped = np.array([distinct[value] for value in stripped] + [-1], np.int32)
        codes, stripped = mapped[codes], list(distinct)
    if len(codes) and (codes.min() < 0 or "" in stripped):
        raise ValueError("an empty field")
    categories = pd.Index(np.array(stripped, dtype=object))
    return pd.Series(pd.Categorical.from_codes(codes, categories=categories, validate=False))


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    array = column.to_numpy()
    if not np.isfinite(array).all():
        raise ValueError("a number that is missing or not finite")
    return array


def _dates(path: Path, column: pd.Series) -> np.ndarray:
    try:
        parsed = seconds(pd.Series(column.cat.categories))
    except AmbiguousDate as error:
        raise InputError(f"{path}: {error}") from error
    except InputError as error:  # it counts distinct dates, not lines
        raise ValueError("a timestamp that is no date") from error
    return parsed[column.cat.codes.to_numpy()]


# Errors: the file is read once more, slowly, up to the line at fault. -----------------------------


def _explain(
    path: Path, found: Layout, places: dict[str, int], dates: bool, message: str
) -> InputError:
    width, line, events = len(found.names), found.skip, False
    try:
        with files.readable(path), files.text(path) as file:
            for line, record in _records(file, found.delimiter, found.quoted):
                if line <= found.skip or not record:
                    continue
                events = True
                wrong = _wrong(record, width, found, places, dates)
                if wrong == "utf-8":
                    return files.not_utf8(path, line)
                if wrong:
                    return InputError(f"{path}, line {line}: {wrong}")
    except InputError as error:
        return error
    except csv.Error as error:
        return InputError(f"{path}, line {line + 1}: {error}; check the quotes")
    if not events:
        return _no_events(path)
    return InputError(f"{path} cannot be read as a table: {message.splitlines()[0][:200]}")


def _no_events(path: Path) -> InputError:
    return InputError(f"{path} holds a header and no events; give a file with events")


def _wrong(
    record: list[str], width: int, found: Layout, places: dict[str, int], dates: bool
) -> str | None:
    if len(record) != width:
        return f"{len(record)} fields where {width} are expected; {FIX}"
    for role, place in places.items():
        field, name = record[place].strip(), found.names[place]
        if any("\udc80" <= c <= "\udcff" for c in field):
            return "utf-8"
        if not field:
            return f"the {role} (column {name}) is empty; fill it or remove that line"
        if role not in ("value", "timestamp"):
            continue
        if role == "timestamp" and dates:
            if not is_date(field):
                return f"the timestamp {field!r} (column {name}) is not a date; {FIX}"
            continue
        number = _number(field)
        if number is None:
            return f"the {role} {field!r} (column {name}) is not a number; {FIX}"
        if not math.isfinite(number):
            return f"the {role} {field!r} (column {name}) is not finite; {FIX}"
    return None
