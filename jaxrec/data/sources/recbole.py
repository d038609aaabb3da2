"""RecBole's atomic files name.inter, name.item, name.user: tabs, and headers as `age:float`."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxrec.data.columns import guess_columns
from jaxrec.data.interactions import Dataset, Vocabulary
from jaxrec.data.sources import files
from jaxrec.data.sources.events import Columns, Files, align, join
from jaxrec.data.sources.text_table import Layout, guess_note, layout, read_roles
from jaxrec.errors import InputError

TYPES = ("token", "token_seq", "float", "float_seq")


def read(source: Files, columns: Columns) -> Dataset:
    """Read the folder of the atomic files, or its .inter file with what stands beside it."""
    path = find_inter(source.one())
    found = _untyped(path)
    try:
        roles = guess_columns(found.names, columns.given())
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    raw = read_roles(path, found, roles, (guess_note(path, True, roles, columns),))
    interactions, notes = join({"": raw}, columns.order)
    stem = path.name.removesuffix(".gz").removesuffix(".inter")
    tables, beside = {}, {}
    for kind, vocabulary in (("user", interactions.users), ("item", interactions.items)):
        beside[kind] = side = files.find(path.parent, f"{stem}.{kind}")
        tables[kind] = None if side is None else aligned(read_table(side), vocabulary)
    items = tables["item"]
    return Dataset(
        stem,
        interactions,
        tables["user"],
        items,
        title=next((name for name in items if "title" in name or "name" in name), None)
        if items is not None
        else None,
        sha256=files.digests(path, *beside.values()),
        notes=notes,
    )


def find_inter(path: Path) -> Path:
    """Return the .inter file that the path names or holds."""
    if not path.is_dir():
        return files.a_file(path)
    found = sorted(p for p in path.iterdir() if p.name.removesuffix(".gz").endswith(".inter"))
    if len(found) != 1:
        count = f"{len(found)} .inter files" if found else "no .inter file"
        raise InputError(f"{path} holds {count}; give the path of the one to read")
    return found[0]


def aligned(table: pd.DataFrame, vocabulary: Vocabulary) -> pd.DataFrame:
    """Give the table the rows of the vocabulary; its first column holds the raw ids."""
    ids = table.iloc[:, 0]
    return align(table.iloc[:, 1:], ids, vocabulary.rows(ids.to_numpy(object)), len(vocabulary))


def read_table(path: Path) -> pd.DataFrame:
    """Read a typed table; sequences become lists, an empty field is missing."""
    found = layout(path, "\t")
    fields: list[list[str]] = []
    for line, text in files.lines(path):
        if line > 1 and text:
            fields.append(text.split("\t"))
            if len(fields[-1]) != len(found.names):
                raise InputError(
                    f"{path}, line {line}: {len(fields[-1])} fields where {len(found.names)} are "
                    "expected; correct or remove that line"
                )
    columns = {}
    for place, name in enumerate(found.names):
        plain, kind = _typed(path, name)
        columns[plain] = _column(path, name, kind, [row[place] for row in fields])
    return pd.DataFrame(columns)


def _untyped(path: Path) -> Layout:
    found = layout(path, "\t")
    if not found.header:
        raise InputError(f"{path} begins with data; an atomic file begins with names and types")
    names = tuple(_typed(path, name)[0] for name in found.names)
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise InputError(f"{path} names the column {twice!r} twice; rename one of them")
    return Layout(found.delimiter, names, found.skip, found.sample, quoted=False)


def _typed(path: Path, name: str) -> tuple[str, str]:
    plain, colon, kind = name.rpartition(":")
    if not colon or kind not in TYPES:
        raise InputError(
            f"{path}: the column {name!r} has no type; write name:type, the types are "
            f"{', '.join(TYPES)}"
        )
    return plain, kind


def _column(path: Path, name: str, kind: str, fields: list[str]) -> Any:
    if kind == "token":
        return pd.Series([field or None for field in fields], dtype=object)
    if kind == "token_seq":
        return pd.Series([field.split(" ") if field else [] for field in fields], dtype=object)
    try:
        if kind == "float":
            return np.array([float(field or "nan") for field in fields])
        return pd.Series([[float(x) for x in field.split()] for field in fields], dtype=object)
    except ValueError as error:
        raise InputError(f"{path}: the column {name!r} does not hold numbers: {error}") from error
