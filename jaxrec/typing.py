"""The values that flow between modules: what a model is built from, and what it is asked."""

import dataclasses
from dataclasses import dataclass
from typing import Literal, no_type_check

import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float, Int

Features = dict[str, Array]
"""Side features by name; the leading axes are the entities, see FeatureSpec for the rest."""


@dataclass(frozen=True)
class FeatureSpec:
    """What an encoder must know of one side feature.

    kind, the array of one entity, and what `size` counts:
      categorical        int32 []       categories; 0 is a missing value, 1 one unseen in training
      multi_categorical  int32 [m]      the same; 0 also pads
      tokens             int32 [m]      the same, in order
      numeric            float32 [2]    2: the z-scored value (0 where missing), and 1 where present
      dense              float32 [size] dimensions
    """

    name: str
    kind: Literal["categorical", "multi_categorical", "tokens", "numeric", "dense"]
    size: int


# The import hook of the tests checks dataclasses when they are built, but JAX rebuilds a pytree
# with anything in its leaves (shapes, shardings), so pytrees opt out with no_type_check.
@struct.dataclass
@no_type_check
class CSR:
    """Ragged rows: row r holds `indices[indptr[r]:indptr[r + 1]]`.

    rows: where not all rows are here, the numbers, ascending, of those that are.
    """

    indptr: Int[Array, "rows_plus_1"]
    indices: Int[Array, "entries"]
    rows: Int[Array, "rows"] | None = None

    def bounds(self, row: Int[Array, "*n"]) -> tuple[Int[Array, "*n"], Int[Array, "*n"]]:
        """Give where rows, which must be here, begin and end in `indices`."""
        place = row if self.rows is None else jnp.searchsorted(self.rows, row)
        return self.indptr[place], self.indptr[place + 1]


@struct.dataclass
@no_type_check
class Items:
    """Items to encode: row numbers and side features; leading axes [n] (shared) or [batch n]."""

    id: Int[Array, "*n"]
    features: Features

    def take(self, id: Int[Array, "*n"]) -> "Items":
        """Gather items by row; `self` must be the whole catalogue, whose row r is item r."""
        return Items(id, {name: jnp.take(x, id, axis=0) for name, x in self.features.items()})


@struct.dataclass
@no_type_check
class Catalogue:
    """What all examples share, resident on the device; every batch carries it by reference.

    items:     rows 0..num_items, row 0 being the padding item.
    counts:    events of each item in training (row 0: none), for popularity and log-Q.
    positives: rows 0..num_users; the distinct training items of each user, ascending.
    """

    items: Items
    counts: Float[Array, "items_plus_1"]
    positives: CSR


@struct.dataclass
@no_type_check
class Batch:
    """Examples for training, or users to answer for at evaluation; leading axis the batch.

    user:          rows of the user table; 0 is an unknown user.
    history:       items in the order of their events, the last event in the last column (padding,
                   item 0, stands in front). Its length may be 0 for models that do not read it.
                   An event that is there, but whose item is 0, is hidden: see masking.py.
    where:         True at real events of the history.
    segment_ids:   1, 2, … for the packed users of one row, 0 at padding; equal to `where` unpacked.
    queries:       columns of the history after which (of hidden events: at which) an answer is
                   asked: all when a sequence model trains, the last one at evaluation. Pairs
                   without history have the one query 0.
    target:        the item at each query (0: none).
    value:         the target's value (rating, count, label).
    weights:       of each query in the loss; 0 where there is no target.
    user_features: by name, leading axis the batch.
    context:       features of the event, by name, leading axis the batch.
    time:          when the events of the history were, in seconds, of which only differences mean
                   something; 0 at padding. None where no model asked for it (`reads_times`).
    """

    user: Int[Array, "batch"]
    history: Int[Array, "batch length"]
    where: Bool[Array, "batch length"]
    segment_ids: Int[Array, "batch length"]
    queries: Int[Array, "batch queries"]
    target: Int[Array, "batch queries"]
    value: Float[Array, "batch queries"]
    weights: Float[Array, "batch queries"]
    user_features: Features
    context: Features
    catalogue: Catalogue
    time: Int[Array, "batch length"] | None = None


@dataclass(frozen=True, eq=False)
class Spec:
    """What a model is built from; row 0 of users and items comes on top of the numbers here."""

    num_users: int
    num_items: int
    max_length: int
    user_features: tuple[FeatureSpec, ...] = ()
    item_features: tuple[FeatureSpec, ...] = ()
    item_counts: np.ndarray | None = dataclasses.field(default=None, repr=False)
    positives: CSR | None = dataclasses.field(default=None, repr=False)
