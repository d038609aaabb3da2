"""Events in a Parquet file."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from jaxrec.data.columns import guess_columns, numbers, seconds
from jaxrec.data.sources import files
from jaxrec.data.sources.events import Columns, RawEvents
from jaxrec.data.sources.text_table import guess_note
from jaxrec.errors import InputError


def read_parquet(path: Path, columns: Columns) -> RawEvents:
    """Read the columns that play a role; integers and text are ids."""
    if not files.a_file(path).stat().st_size:
        raise InputError(f"{path} is empty; give a file with events")
    with files.readable(path):
        try:
            file = pyarrow.parquet.ParquetFile(path)
            names = file.schema_arrow.names
            twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
            if twice is not None:
                raise InputError(f"{path} names the column {twice!r} twice; rename one of them")
            roles = _roles(path, names, columns)
            table = file.read(columns=list(roles.values()), use_pandas_metadata=False)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path} is torn or no Parquet file; write it again") from error
    if not len(table):
        raise InputError(f"{path} has columns and no events; give a file with events")
    arrays = {role: _column(path, role, name, table.column(name)) for role, name in roles.items()}
    return RawEvents(**arrays, notes=(guess_note(path, True, roles, columns),))


def _roles(path: Path, names: list[str], columns: Columns) -> dict[str, str]:
    try:
        return guess_columns(names, columns.given())
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _column(path: Path, role: str, name: str, column: pa.ChunkedArray) -> Any:
    where = f"{path}: the {role} (column {name})"
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy()))
        raise InputError(f"{where} is missing in row {row + 1}; fill it or remove that row")
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if role in ("user", "item", "event"):
        if pa.types.is_integer(kind):
            return column.to_numpy()
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            codes = column.combine_chunks().cast(pa.string()).dictionary_encode()
            codes = codes.combine_chunks() if isinstance(codes, pa.ChunkedArray) else codes
            values = pd.Index(np.array(codes.dictionary.to_pylist(), dtype=object))
            return pd.Series(pd.Categorical.from_codes(codes.indices.to_numpy(), categories=values))
        raise InputError(f"{where} is of type {kind}; ids are whole numbers or text")
    try:
        array = _seconds(column, name) if role == "timestamp" else _numbers(column, name)
    except (InputError, pa.ArrowException) as error:
        raise InputError(f"{where} cannot be read as numbers: {error}") from error
    finite = np.isfinite(array)
    if not finite.all():
        raise InputError(
            f"{where} is {array[~finite][0]} in row {int(np.argmin(finite)) + 1}; "
            "correct or remove that row"
        )
    return array


def _numbers(column: pa.ChunkedArray, name: str) -> np.ndarray:
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return column.to_numpy().astype(np.float64)
    if pa.types.is_boolean(kind) or pa.types.is_decimal(kind):
        return (
            column.cast(pa.int8() if pa.types.is_boolean(kind) else pa.float64()).to_numpy() * 1.0
        )
    if pa.types.is_nested(kind):
        raise InputError(f"it is of type {kind}")
    return numbers(column.to_pandas(), name)


def _seconds(column: pa.ChunkedArray, name: str) -> np.ndarray:
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return column.cast(pa.timestamp("us"), safe=False).cast(pa.int64()).to_numpy() / 1e6
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return seconds(column.to_pandas(), name)
    return _numbers(column, name)
