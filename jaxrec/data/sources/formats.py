"""Names of the formats: the one place in data/ where a word becomes code."""

from collections.abc import Callable
from pathlib import Path

from jaxrec.data.interactions import Dataset
from jaxrec.data.sources import (
    delimited,
    files,
    lightgcn,
    movielens,
    recbole,
    sequences,
    sessions,
    tfds,
)
from jaxrec.data.sources.events import Columns, Files
from jaxrec.errors import InputError

READERS: dict[str, Callable[[Files, Columns], Dataset]] = {
    "csv": delimited.read_csv,
    "tsv": delimited.read_tsv,
    "parquet": delimited.read_parquet_files,
    "jsonl": delimited.read_jsonl_files,
    "recbole": recbole.read,
    "movielens": movielens.read,
    "lightgcn": lightgcn.read,
    "sequences": sequences.read,
    "sessions": sessions.read,
    "tfds": tfds.read,
}
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".inter": "recbole",
}


def read(source: Files, columns: Columns, format: str | None = None) -> Dataset:
    """Read in the format of that name, or in the one that the files look like."""
    if format is None:
        format = guess_format(next(iter(source.parts().values())))
    if format not in READERS:
        raise InputError(f"no format is called {format!r}; the formats are {', '.join(READERS)}")
    return READERS[format](source, columns)


def guess_format(path: Path) -> str:
    """Tell the format by the files of a folder, by a suffix, or by the first line of a text."""
    with files.readable(path):
        if path.is_dir():
            return _guess_folder(path)
    files.a_file(path)
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    with files.readable(path), open(path, "rb") as file:
        if file.read(4) == b"PAR1":
            return "parquet"
    return _guess_text(files.head(path).lstrip("\r\n").split("\n", 1)[0].strip())


def _guess_folder(folder: Path) -> str:
    if movielens.is_here(folder):
        return "movielens"
    if any(p.name.removesuffix(".gz").endswith(".inter") for p in folder.iterdir()):
        return "recbole"
    if files.find(folder, "train.txt") and files.find(folder, "test.txt"):
        return "lightgcn"
    raise InputError(
        f"the folder {folder} looks like none of movielens, recbole and lightgcn; "
        "name a file in it, or give --data.format"
    )


def _guess_text(first: str) -> str:
    if first.startswith("{"):
        return "jsonl"
    if "\t" in first:
        return "tsv"
    return "csv" if any(mark in first for mark in ",;|") else "sequences"
