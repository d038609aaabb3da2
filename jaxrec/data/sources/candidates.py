"""Lists of items that a user's test target is ranked against, as NCF released them."""

from pathlib import Path

import numpy as np

from jaxrec.data.interactions import Interactions
from jaxrec.data.sources import files
from jaxrec.errors import InputError


def read_candidates(path: Path, interactions: Interactions) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read one user a line: "(user,item)" or "user", then the candidates, between tabs or spaces.

    Returns int32 [num_users + 1, m], 0-padded; candidates without events are left out.
    """
    users, items, listed = [], [], []
    for line, text in files.lines(path):
        fields = text.split()
        if not fields:
            continue
        if len(fields) < 2:
            raise InputError(f"{path}, line {line} lists no candidates; correct or remove it")
        users.append(fields[0].strip("()").split(",")[0])
        items.extend(fields[1:])
        listed.append(len(fields) - 1)
    rows = interactions.users.rows(users)
    if not rows.all():
        unknown = users[int(np.argmin(rows))]
        raise InputError(f"{path} lists candidates of {unknown!r}, a user without events")
    if len(np.unique(rows)) < len(rows):
        raise InputError(f"{path} has two lists for one user; keep one")
    width = max(listed, default=0)
    table = np.zeros((len(interactions.users) + 1, width), np.int32)
    sizes = np.array(listed, np.int64)
    column = np.arange(len(items)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    found = interactions.items.rows(items)
    table[np.repeat(rows, sizes), column] = found
    lost = int((found == 0).sum())
    return table, ((f"{lost} candidates are items without events, and left out",) if lost else ())
