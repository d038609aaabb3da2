"""Sessions of items without users, one a line, "item item …"; tests are "prefix<TAB>target".

Each session is a user of its own, numbered by its line. A prefix is known when its target is asked.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from jaxrec.data.interactions import Dataset
from jaxrec.data.sources import files
from jaxrec.data.sources.events import Columns, Files, RawEvents, join
from jaxrec.errors import InputError


def read(source: Files, columns: Columns | None = None) -> Dataset:
    """Read sessions, or the parts of a split; validation and test lines hold prefix and target."""
    paths = {part: files.a_file(path) for part, path in source.parts().items()}
    raw, sessions = {}, 0
    for part, path in paths.items():
        if part in ("validation", "test"):
            prefixes, targets = read_questions(path)
            raw[f"{part}_history"] = _events(sessions, prefixes)
            raw[part] = _events(sessions, targets)
            sessions += len(targets)
        else:
            lists = read_sessions(path)
            raw[part] = _events(sessions, lists)
            sessions += len(lists)
    raw = {part: events for part, events in raw.items() if len(events.user)}
    interactions, notes = join(raw, "position")
    name = next(iter(paths.values())).name.split(".")[0]
    return Dataset(name, interactions, sha256=files.digests(*paths.values()), notes=notes)


def read_sessions(path: Path) -> list[list[str]]:
    """Read one session a line, its items between spaces or tabs."""
    return [items for _, text in files.lines(path) if (items := text.split())]


def read_questions(path: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Read "prefix<TAB>target" lines; return all prefixes and all targets."""
    prefixes, targets = [], []
    for line, text in files.lines(path):
        if not text.strip():
            continue
        prefix, tab, target = text.partition("\t")
        if not tab or not target.split():
            raise InputError(
                f"{path}, line {line} is not a prefix and a target with a tab between; correct it"
            )
        prefixes.append(prefix.split())
        targets.append(target.split())
    return prefixes, targets


def _events(before: int, lists: list[list[str]]) -> RawEvents:
    ids = np.arange(before + 1, before + len(lists) + 1, dtype=np.int64)
    users = np.repeat(ids, [len(items) for items in lists])
    items = pd.Series([item for items in lists for item in items], dtype=object)
    return RawEvents(users, items.astype("category"))
