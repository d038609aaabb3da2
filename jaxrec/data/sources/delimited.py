"""Tables of events, one a line or row: csv, tsv, jsonl and parquet, each also compressed by gzip.

Columns are named or guessed; a source is one table, or a table for each part of a given split.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from jaxrec.data.interactions import Dataset
from jaxrec.data.sources import files
from jaxrec.data.sources.candidates import read_candidates
from jaxrec.data.sources.events import Columns, Files, RawEvents, join
from jaxrec.data.sources.jsonl import read_jsonl
from jaxrec.data.sources.parquet import read_parquet
from jaxrec.data.sources.text_table import read_events

Reader = Callable[[Path, Columns], RawEvents]


def read(source: Files, columns: Columns, reader: Reader) -> Dataset:
    """Read each part with `reader`; a file of candidates belongs to the users of the test part."""
    paths = {part: files.a_file(path) for part, path in source.parts().items()}
    raw = {part: reader(path, columns) for part, path in paths.items()}
    interactions, notes = join(raw, columns.order)
    candidates, lists = None, None
    if source.candidates is not None:
        lists = files.a_file(source.candidates)
        candidates, more = read_candidates(lists, interactions)
        notes += more
    return Dataset(
        next(iter(paths.values())).name.split(".")[0],
        interactions,
        candidates=candidates,
        sha256=files.digests(*paths.values(), lists),
        notes=notes,
    )


def csv_reader(path: Path, columns: Columns) -> RawEvents:
    """Read fields between commas, or what else cuts the first line."""
    return read_events(path, ",", columns)


def tsv_reader(path: Path, columns: Columns) -> RawEvents:
    """Read fields between tabs."""
    return read_events(path, "\t", columns)


read_csv = partial(read, reader=csv_reader)
read_tsv = partial(read, reader=tsv_reader)
read_jsonl_files = partial(read, reader=read_jsonl)
read_parquet_files = partial(read, reader=read_parquet)
