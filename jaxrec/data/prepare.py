"""From a source to what a run is made of: load, clean, split, describe users and items."""

import dataclasses
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from jaxrec.data.cleaning import Cleaning, CleaningStep, clean
from jaxrec.data.features import Encoding, fit_features
from jaxrec.data.interactions import Dataset, Interactions, Vocabulary, check_enough
from jaxrec.data.normalisation import Normalisation, Scale, normalise
from jaxrec.data.sources import formats, named, side_table
from jaxrec.data.sources.events import Columns, Files
from jaxrec.data.sources.files import a_file, digests
from jaxrec.data.sources.named import Say
from jaxrec.data.splits import Given, LeaveOneOut, Split
from jaxrec.errors import InputError
from jaxrec.typing import FeatureSpec


@dataclass(frozen=True)
class DataConfig:
    """Where events come from, what their columns are called, and what is done with them."""

    path: str | None = "ml-100k"
    """A file, a folder, or the name of a known data set (write ./name for a path of that name)."""
    format: (
        Literal[
            "csv",
            "tsv",
            "parquet",
            "jsonl",
            "recbole",
            "movielens",
            "lightgcn",
            "sequences",
            "sessions",
            "tfds",
        ]
        | None
    ) = None
    """How the source is written; None: told by its files."""
    user_column: str | None = None
    """The column of user ids; None: guessed, as are the others, and said."""
    item_column: str | None = None
    """The column of item ids."""
    value_column: str | None = None
    """The column of ratings, counts or labels."""
    timestamp_column: str | None = None
    """The column of times: seconds or dates."""
    event_column: str | None = None
    """The column of kinds of event, such as view and buy."""
    order: Literal["time", "position"] = "time"
    """What the timestamp column holds: times, or places in the user's own sequence."""
    train: str | None = None
    """The training file of a data set that is split; replaces path."""
    validation: str | None = None
    """Its validation file."""
    test: str | None = None
    """Its test file."""
    candidates: str | None = None
    """A file of the items that each user's test target is ranked against."""
    user_table: str | None = None
    """A table of users, the raw id in its first column."""
    item_table: str | None = None
    """A table of items, the raw id in its first column."""
    user_features: tuple[str, ...] | None = None
    """Columns of the table of users as features, "name" or "name:kind"; None: all usable."""
    item_features: tuple[str, ...] | None = None
    """Columns of the table of items as features; None: all usable but the title."""
    cleaning: Cleaning = field(default_factory=Cleaning)
    """What is removed or changed before the split."""
    split: Any = None
    """A config of jaxrec.data.splits; None: the source's own parts, else leave-one-out."""
    normalisation: Normalisation = field(default_factory=Normalisation)
    """How values are scaled after the split, by statistics of training."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything of the data that training, evaluation and answering need.

    The feature arrays have a row for each vocabulary entry, behind row 0, missing everywhere.
    Values of the split are on `scale`, those of the data set are as they came.
    """

    dataset: Dataset
    split: Split
    user_specs: tuple[FeatureSpec, ...]
    item_specs: tuple[FeatureSpec, ...]
    user_features: dict[str, np.ndarray]
    item_features: dict[str, np.ndarray]
    cleaning: list[CleaningStep]
    user_encodings: tuple[Encoding, ...] = ()
    item_encodings: tuple[Encoding, ...] = ()
    scale: Scale | None = None


def say_to_stderr(note: str) -> None:
    """Print beside the output."""
    print(note, file=sys.stderr)


def load(config: DataConfig, say: Say = say_to_stderr) -> Dataset:
    """Read the source and the tables beside it; what was guessed or left out is said."""
    columns = Columns(
        config.user_column,
        config.item_column,
        config.value_column,
        config.timestamp_column,
        config.event_column,
        config.order,
    )
    source = Files(config.path, config.train, config.validation, config.test, config.candidates)
    source.parts()
    if config.train is None and config.path in named.NAMED:
        dataset = named.read(config.path, say)
    else:
        dataset = _read(source, columns, config.format)
    dataset = _with_tables(dataset, config)
    check_enough(dataset.interactions)
    for note in dataset.notes:
        say(note)
    return dataset


def prepare(dataset: Dataset, config: DataConfig, seed: int) -> Prepared:
    """Clean, split, scale the values, and fit features on the users and items of training."""
    interactions, steps = clean(dataset.interactions, config.cleaning)
    check_enough(interactions)
    dataset = _restricted(dataset, interactions)
    split, scale = normalise(
        _splitter(config, interactions)(interactions, seed), config.normalisation
    )
    users, items = np.unique(split.train.user), np.unique(split.train.item)
    item_table = dataset.item_table
    if config.item_features is None and item_table is not None and dataset.title is not None:
        item_table = item_table.drop(columns=dataset.title)
    user_specs, user_arrays, user_encodings = fit_features(
        dataset.user_table, users, config.user_features
    )
    item_specs, item_arrays, item_encodings = fit_features(item_table, items, config.item_features)
    return Prepared(
        dataset,
        split,
        user_specs,
        item_specs,
        user_arrays,
        item_arrays,
        steps,
        user_encodings,
        item_encodings,
        scale,
    )


def _read(source: Files, columns: Columns, format: str | None) -> Dataset:
    path = source.path
    whole = source.train is None and path is not None and format != "tfds"
    if whole and not Path(str(path)).exists():
        known = ", ".join(named.NAMED)
        raise InputError(
            f"{str(path)!r} is neither a file nor a known data set; the known ones are {known}"
        )
    return formats.read(source, columns, format)


def _splitter(config: DataConfig, interactions: Interactions) -> Any:
    """Choose the split: files given in parts stay so, then the config, then the source's parts."""
    if config.train is not None and interactions.part is not None:
        return config.split if isinstance(config.split, Given) else Given()
    if config.split is not None:
        return config.split
    return LeaveOneOut() if interactions.part is None else Given()


def _with_tables(dataset: Dataset, config: DataConfig) -> Dataset:
    """Read the tables of one's own, which replace those of the source."""
    for kind, path in (("user", config.user_table), ("item", config.item_table)):
        if path is None:
            continue
        file = a_file(path)
        table, note = side_table.read(file, getattr(dataset.interactions, f"{kind}s"))
        changes: dict[str, Any] = {
            f"{kind}_table": table,
            "notes": (*dataset.notes, note),
            "sha256": dataset.sha256 | digests(file),
        }
        if kind == "item":
            changes["title"] = _title(table)
        dataset = dataclasses.replace(dataset, **changes)
    return dataset


def _title(table: pd.DataFrame) -> str | None:
    """Find the column that people read."""
    names = {str(name).lower(): str(name) for name in table.columns}
    return next((names[name] for name in ("title", "name", "label") if name in names), None)


def _restricted(dataset: Dataset, interactions: Interactions) -> Dataset:
    """Follow cleaning: tables and candidates get the rows of the vocabularies that are left."""
    old, new = dataset.interactions, interactions
    changes: dict[str, Any] = {"interactions": new}
    for kind, before, after in (("user", old.users, new.users), ("item", old.items, new.items)):
        table = getattr(dataset, f"{kind}_table")
        if table is not None and before is not after:
            places = before.rows(after.ids) - 1
            changes[f"{kind}_table"] = table.iloc[places].reset_index(drop=True)
    if dataset.candidates is not None:
        users, items = _old_rows(old.users, new.users), _old_rows(old.items, new.items)
        renamed = np.zeros(len(old.items) + 1, np.int32)
        renamed[items] = np.arange(len(items), dtype=np.int32)
        changes["candidates"] = renamed[dataset.candidates[users]]
    return dataclasses.replace(dataset, **changes)


def _old_rows(before: Vocabulary, after: Vocabulary) -> np.ndarray:
    return np.append(np.zeros(1, np.int32), before.rows(after.ids))
