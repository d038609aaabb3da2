"""Tables of one's own about users or items: first the raw id, then columns that describe it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from jaxrec.data.interactions import Vocabulary
from jaxrec.data.sources import files
from jaxrec.data.sources.events import align
from jaxrec.data.sources.text_table import layout, parse
from jaxrec.errors import InputError


def read(path: Path, vocabulary: Vocabulary) -> tuple[pd.DataFrame, str]:
    """Return one row for each vocabulary entry, and a note on how many the table describes."""
    files.a_file(path)
    table = _parquet(path) if path.suffix in (".parquet", ".pq") else _text(path)
    if table.shape[1] < 2:
        raise InputError(
            f"{path} has no column beside the id {table.columns[0]!r}; add what describes it"
        )
    ids = table.iloc[:, 0]
    rows = vocabulary.rows(ids.to_numpy(object))
    found = len(np.unique(rows[rows > 0]))
    if not found:
        raise InputError(
            f"{path} describes none of the ids in the events: its first column, "
            f"{table.columns[0]!r}, begins with {ids.iloc[0] if len(ids) else 'nothing'}, theirs "
            f"with {vocabulary.ids[0]}"
        )
    aligned = align(table.iloc[:, 1:], ids, rows, len(vocabulary))
    return aligned, f"{path.name} describes {found:,} of {len(vocabulary):,} ids"


def _text(path: Path) -> pd.DataFrame:
    base = path.with_suffix("") if path.suffix == ".gz" else path
    found = layout(path, "\t" if base.suffix == ".tsv" else ",")
    if not found.header:
        raise InputError(f"{path} has no line of column names; add one, the id's first")
    try:
        table = parse(path, found, {"0": pa.string()}, every=True)
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"{path} cannot be read as a table: {reason}") from error
    return pd.DataFrame({name: _plain(table.column(i)) for i, name in enumerate(found.names)})


def _parquet(path: Path) -> pd.DataFrame:
    with files.readable(path):
        try:
            table = pyarrow.parquet.read_table(path)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path} is torn or no Parquet file; write it again") from error
    return pd.DataFrame({name: _plain(table.column(name)) for name in table.column_names})


def _plain(column: pa.ChunkedArray) -> Any:
    """Turn a column into numbers (NaN: missing), or objects (None: missing); lists stay lists."""
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return column.to_pandas()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_boolean(kind):
        return pd.Series(column.to_pylist(), dtype=object)
    return pd.Series([None if x is None else str(x) for x in column.to_pylist()], dtype=object)
