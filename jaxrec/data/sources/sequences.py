"""Chronological sequences: one user a line, "user item item …", or one event a line, "user item".

An event a line is a line of one item, so both are read alike; the notes say which one it was.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from jaxrec.data.interactions import Dataset
from jaxrec.data.sources import files
from jaxrec.data.sources.events import Columns, Files, RawEvents, join
from jaxrec.errors import InputError


def read(source: Files, columns: Columns | None = None) -> Dataset:
    """Read events in the order of the file, which is that of time."""
    paths = {part: files.a_file(path) for part, path in source.parts().items()}
    interactions, notes = join({part: read_lists(path) for part, path in paths.items()}, "position")
    name = next(iter(paths.values())).name.split(".")[0]
    return Dataset(name, interactions, sha256=files.digests(*paths.values()), notes=notes)


def read_lists(path: Path) -> RawEvents:
    """Read lines of a user and its items; a user may stand in several lines, or have no items."""
    users, items, counts = [], [], []
    for _, text in files.lines(path):
        user, *listed = text.split() or [""]
        if user:
            users.append(user)
            items.extend(listed)
            counts.append(len(listed))
    if not items:
        raise InputError(
            f"{path} lists users and no items; a line is a user and items, with spaces between"
        )
    form = "event" if max(counts) == 1 else "user"
    return RawEvents(
        _repeated(users, counts),
        pd.Series(items, dtype="category"),
        notes=(f"{path.name}: one {form} a line",),
    )


def _repeated(users: list[str], counts: list[int]) -> pd.Series:
    codes, distinct = pd.factorize(np.array(users, dtype=object))
    return pd.Series(
        pd.Categorical.from_codes(np.repeat(codes, counts), categories=pd.Index(distinct))
    )
