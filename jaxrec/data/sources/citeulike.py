"""CiteULike as CVAE released it: a user a line, "count item item …", all counted from 0."""

from pathlib import Path

import numpy as np
import pandas as pd

from jaxrec.data.interactions import Dataset
from jaxrec.data.sources import files
from jaxrec.data.sources.events import RawEvents, align, join
from jaxrec.errors import InputError


def read(folder: Path, density: int | None = None) -> Dataset:
    """Read the libraries, whole or as CVAE's split of density 1 or 10 items a user in training.

    The table of items holds each paper's distinct words and tags.
    """
    if density is None:
        paths = {"": folder / "users.dat"}
    else:
        cut = folder / "cvae"
        paths = {part: cut / f"cf-{part}-{density}-users.dat" for part in ("train", "test")}
    interactions, notes = join({part: _events(path) for part, path in paths.items()}, "row")
    sides = [folder / name for name in ("mult.dat", "vocabulary.dat", "tag-item.dat", "tags.dat")]
    table = _papers(*sides) if all(path.is_file() for path in sides) else None
    if table is not None:
        rows = interactions.items.rows(np.arange(len(table)))
        table = align(table, np.arange(len(table)), rows, len(interactions.items))
    digests = files.digests(*paths.values(), *(sides if table is not None else ()))
    return Dataset("citeulike", interactions, item_table=table, sha256=digests, notes=notes)


def _papers(mult: Path, vocabulary: Path, tag_item: Path, tags: Path) -> pd.DataFrame:
    words = [text for _, text in files.lines(vocabulary)]
    listed = [
        [words[int(field.split(":")[0])] for field in text.split()[1:]]
        for _, text in files.lines(mult)
    ]
    tagged: list[list[str]] = [[] for _ in listed]
    for (_, tag), papers in zip(files.lines(tags), _lists(tag_item), strict=False):
        for paper in papers:
            tagged[paper].append(tag)
    return pd.DataFrame({"words": listed, "tags": tagged})


def _events(path: Path) -> RawEvents:
    lists = _lists(path)
    users = np.repeat(np.arange(len(lists)), [len(items) for items in lists])
    return RawEvents(users, np.array([item for items in lists for item in items], np.int64))


def _lists(path: Path) -> list[list[int]]:
    lists = []
    for line, text in files.lines(path):
        count, *items = text.split() or [""]
        if not count.isdecimal() or int(count) != len(items) or not all(map(str.isdecimal, items)):
            raise InputError(f"{path}, line {line} is not a count and so many numbers of items")
        lists.append([int(item) for item in items])
    return lists
