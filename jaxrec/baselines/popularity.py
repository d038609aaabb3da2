"""Popularity: the same list for everyone, the items that most events, or most users, have met."""

from dataclasses import dataclass
from typing import ClassVar, Literal, no_type_check

import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError
from jaxrec.typing import Batch

DAY = 86400.0


@struct.dataclass
@no_type_check
class PopularityState:
    """The popularity of each item; row 0 has none."""

    popularity: Float[Array, "items_plus_1"]

    def scores(
        self, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        """Score each user's candidates, or all items, by their popularity."""
        if items is not None:
            return self.popularity[items]
        return jnp.broadcast_to(self.popularity[None, :], (len(batch.user), len(self.popularity)))


@dataclass(frozen=True)
class PopularityConfig:
    """What counts, and for how long."""

    count: Literal["events", "users"] = "events"
    """Count every event of an item, or every user who has met it once (at the last event)."""
    half_life_days: float | None = None
    """Days before the last event after which an event counts half; None: all events count alike."""
    history_length: ClassVar[int] = 0
    state: ClassVar[type] = PopularityState

    def __post_init__(self) -> None:
        if self.half_life_days is not None and not self.half_life_days > 0:
            raise InputError(
                f"model.half_life_days is {self.half_life_days}; give a positive number"
            )

    def fit(self, train: Interactions) -> PopularityState:
        """Count; raises InputError where events should grow old but have no times."""
        weights = np.ones(len(train))
        if self.half_life_days is not None:
            if train.order != "time":
                raise InputError("model.half_life_days needs events with times; leave it out")
            age = train.timestamp.max(initial=0) - train.timestamp
            weights = np.exp2(-age / (DAY * self.half_life_days))
        item = train.item
        if self.count == "users":
            pairs = train.user.astype(np.int64) * (len(train.items.ids) + 1) + item
            # A user's events stand in the order of time, so the first from behind is the last.
            _, kept = np.unique(pairs[::-1], return_index=True)
            item, weights = item[::-1][kept], weights[::-1][kept]
        popularity = np.bincount(item, weights, len(train.items.ids) + 1)
        return PopularityState(jnp.asarray(popularity, jnp.float32))
