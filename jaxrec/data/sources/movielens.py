"""MovieLens folders as GroupLens ships them (100k, 1m, 10m … 32m, latest), and two mirrors.

The mirrors are RecBole's copy of 100k, and 1m with positions for times. All have one schema: of
items title ("Toy Story (1995)"), year, genres; of users age, gender,
occupation, zip.
"""

import csv
import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from jaxrec.data.interactions import Dataset, Order
from jaxrec.data.sources import files
from jaxrec.data.sources.events import Columns, Files, join
from jaxrec.data.sources.recbole import aligned
from jaxrec.data.sources.text_table import Layout, read_roles
from jaxrec.errors import InputError

GENRES = (
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy "
    "Film-Noir Horror Musical Mystery Romance Sci-Fi Thriller War Western"
)
"""The last 19 fields of u.item, in their order."""
YEAR = re.compile(r"(.*?)\s*\((\d{4})(?:[-–]\d{0,4})?\)\s*(?:\(V\))?\s*")
ROLES = {role: role for role in ("user", "item", "value", "timestamp")}


def read(source: Files, columns: Columns | None = None) -> Dataset:
    """Read the folder, whichever edition it holds."""
    folder = files.a_folder(source.one())
    for (ratings, items, users), layout, order in EDITIONS:
        path = files.find(folder, ratings)
        if path is not None:
            tables = files.find(folder, items), files.find(folder, users)
            return _read(path, *tables, layout, order)
    names = ", ".join(names[0] for names, _, _ in EDITIONS)
    raise InputError(f"{folder} holds none of {names}; unpack a MovieLens archive there")


def is_here(folder: Path) -> bool:
    """Tell whether the folder holds some edition's ratings."""
    return any(files.find(folder, names[0]) for names, _, _ in EDITIONS)


def _read(
    path: Path, items: Path | None, users: Path | None, layout: Layout, order: Order
) -> Dataset:
    interactions, _ = join({"": read_roles(path, layout, ROLES)}, order)
    item_table = None if items is None else aligned(read_items(items), interactions.items)
    user_table = None if users is None else aligned(read_users(users), interactions.users)
    return Dataset(
        path.parent.name,
        interactions,
        user_table,
        item_table,
        title=None if item_table is None else "title",
        sha256=files.digests(path, items, users),
    )


def _layout(delimiter: str, header: bool) -> Layout:
    names = tuple(ROLES)
    if delimiter == "::":
        delimiter, names = ":", ("user", "_", "item", "__", "value", "___", "timestamp")
    return Layout(delimiter, names, int(header), ("0",) * len(names), quoted=header)


EDITIONS: tuple[tuple[tuple[str, str, str], Layout, Order], ...] = (
    (("u.data", "u.item", "u.user"), _layout("\t", False), "time"),
    (("ml-100k.inter", "ml-100k.item", "ml-100k.user"), _layout("\t", True), "time"),
    (("ratings.dat", "movies.dat", "users.dat"), _layout("::", False), "time"),
    (("ratings.csv", "movies.csv", "users.csv"), _layout(",", True), "time"),
    (("ratings_order.csv", "movies.dat", "users.dat"), _layout(",", True), "position"),
)
"""Of each edition the files of ratings, items and users, the ratings' layout, and their order."""


def read_items(path: Path) -> pd.DataFrame:
    """Read item, title, year and genres; the encoding is UTF-8 where that decodes, else Latin-1."""
    rows = [_item(path, line, fields) for line, fields in _fields(path)]
    table = pd.DataFrame(rows, columns=["item", "title", "year", "genres"])
    table["year"] = table["year"].astype("float64")
    return table


def read_users(path: Path) -> pd.DataFrame:
    """Read user, age (years; in 1m the lowest of a bracket), gender, occupation and zip."""
    rows = []
    for line, fields in _fields(path):
        if len(fields) != 5:
            raise InputError(f"{path}, line {line}: {len(fields)} fields where 5 are expected")
        user, first, second, occupation, zip_code = fields
        age, gender = (second, first) if path.name.startswith("users.") else (first, second)
        if not age.isdecimal():
            raise InputError(f"{path}, line {line}: the age {age!r} is not a number")
        rows.append((user, float(age), gender or None, occupation or None, zip_code or None))
    return pd.DataFrame(rows, columns=["user", "age", "gender", "occupation", "zip"])


def _fields(path: Path) -> Iterable[tuple[int, list[str]]]:
    """Cut the lines of a side file; the header of those that have one is left out."""
    encoding = _encoding(path)
    name = path.name.removesuffix(".gz")
    lines = [(number, text) for number, text in files.lines(path, encoding) if text]
    if name.endswith(".csv"):
        return list(enumerate(csv.reader(text for _, text in lines[1:]), start=2))
    if name.startswith("ml-100k."):
        return [(number, text.split("\t")) for number, text in lines[1:]]
    separator = "|" if name.startswith("u.") else "::"
    return [(number, text.split(separator)) for number, text in lines]


def _encoding(path: Path) -> str:
    with files.readable(path), files.open_bytes(path) as file:
        try:
            file.read().decode("utf-8")
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8"


def _item(path: Path, line: int, fields: list[str]) -> tuple:
    """Bring a line of u.item (24 fields), RecBole's copy (4) or movies.* (3) to one form."""
    name = path.name.removesuffix(".gz")
    if name == "u.item" and len(fields) == 24:
        genres = [
            genre for genre, flag in zip(GENRES.split(), fields[5:], strict=True) if flag == "1"
        ]
        return (fields[0], *split_title(fields[1]), genres)
    if name == "ml-100k.item" and len(fields) == 4:
        # The copy misspells the one item without a title, and cut the year off all titles but one.
        title = "unknown" if fields[1] == "unkonwn" else fields[1]
        dated = f"{title} ({fields[2]})" if fields[2].isdecimal() else title
        return (fields[0], *split_title(dated), fields[3].split())
    if name.startswith("movies.") and len(fields) == 3:
        genres = [
            genre for genre in fields[2].split("|") if genre and genre != "(no genres listed)"
        ]
        return (fields[0], *split_title(fields[1]), genres)
    raise InputError(
        f"{path}, line {line} has {len(fields)} fields; it is not as GroupLens wrote it"
    )


def split_title(title: str) -> tuple[str, float | None]:
    """Return the title as it is printed, "name (year)", and the year."""
    match = YEAR.fullmatch(title)
    return (f"{match[1]} ({match[2]})", float(match[2])) if match else (title.strip(), None)
