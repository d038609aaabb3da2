"""Data sets of TensorFlow Datasets, by their name there, such as movielens/100k-ratings."""

import importlib
from typing import Any

import numpy as np
import pandas as pd

from jaxrec.data.columns import guess_columns
from jaxrec.data.interactions import Dataset, Interactions
from jaxrec.data.sources.events import Columns, Files
from jaxrec.errors import InputError

ALIASES = {"user_rating": "value"}
"""Names of TFDS that no table of one's own has."""


def read(source: Files, columns: Columns) -> Dataset:
    """Read the "train" split, which holds all events where the data set is not split."""
    name = str(source.one())
    try:
        tfds = importlib.import_module("tensorflow_datasets")
    except ImportError:
        raise InputError(
            "the tfds format needs the package tensorflow-datasets; install it with pip"
        ) from None
    try:
        frame = tfds.as_dataframe(tfds.load(name, split="train"))
    except Exception as error:  # TFDS raises whatever its downloads and builders raise
        reason = str(error).split("\n")[0][:200]
        raise InputError(f"tensorflow-datasets cannot load {name!r}: {reason}") from error
    frame = pd.DataFrame({column: _decoded(frame[column]) for column in frame.columns})
    given = {role: column for role, column in columns.given().items() if column is not None}
    for column, role in ALIASES.items():
        if column in frame.columns:
            given.setdefault(role, column)
    roles = guess_columns(list(frame.columns), given)
    interactions = Interactions.from_frame(frame, **roles, order=columns.order)
    said = ", ".join(f"{role} = {column}" for role, column in roles.items())
    return Dataset(name, interactions, notes=(f"{name}: {said}",))


def _decoded(column: Any) -> Any:
    values = np.asarray(column, dtype=object)
    if len(values) and isinstance(values[0], bytes):
        return [value.decode("utf-8", errors="replace") for value in values]
    return column
