"""Values put on a scale that the training events alone define, and back.

It follows the split: statistics of held-out ratings would tell the model about its own test.
"""

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np

from jaxrec.data.interactions import Interactions
from jaxrec.data.splits import Split
from jaxrec.errors import InputError

Kind = Literal["none", "binary", "log1p", "min_max", "user_mean", "z_score", "user_z_score"]


@dataclass(frozen=True)
class Normalisation:
    """How an event's value becomes what models see."""

    kind: Kind = "none"
    """binary: 1 above `above`, else 0. log1p: log(1 + value). min_max: the training range is 0..1.
    user_mean: less the mean of the user's training values. z_score: less the mean of all training
    values, in units of their standard deviation; user_z_score: the same with the user's own."""
    above: float = 0.0
    """The value that "binary" asks an event to exceed."""


@dataclass(frozen=True, eq=False)
class Scale:
    """A normalisation with its statistics: value -> (f(value) - offset) / width, by user row.

    A user without training events has the statistics of all.
    """

    config: Normalisation
    offset: np.ndarray  # float32 [num_users + 1]
    width: np.ndarray  # float32 [num_users + 1], positive

    def apply(self, interactions: Interactions) -> Interactions:
        """Put the events' values on the scale."""
        value = _bend(interactions, self.config)
        value = (value - self.offset[interactions.user]) / self.width[interactions.user]
        return dataclasses.replace(interactions, value=value.astype(np.float32))

    def restore(self, user: np.ndarray, value: np.ndarray) -> np.ndarray:
        """Undo the scale (of predictions, say); of binary values nothing can be undone."""
        value = value * self.width[user] + self.offset[user]
        return np.expm1(value) if self.config.kind == "log1p" else value


def normalise(split: Split, config: Normalisation) -> tuple[Split, Scale]:
    """Put every part on the scale of the training part."""
    scale = fit_scale(split.train, config)
    if config.kind == "none":
        return split, scale
    parts = {x.name: getattr(split, x.name) for x in dataclasses.fields(split)}
    return Split(**{name: x and scale.apply(x) for name, x in parts.items()}), scale


def fit_scale(train: Interactions, config: Normalisation) -> Scale:
    """Take the statistics of the training events."""
    rows = len(train.users) + 1
    offset, width = np.zeros(rows), np.ones(rows)
    value = _bend(train, config).astype(np.float64)
    if config.kind == "min_max":
        offset[:], width[:] = value.min(), np.ptp(value)
    if config.kind == "z_score":
        offset[:], width[:] = value.mean(), value.std()
    if config.kind in ("user_mean", "user_z_score"):
        count = np.bincount(train.user, minlength=rows)
        total = np.bincount(train.user, value, minlength=rows)
        offset = np.where(count > 0, total / np.maximum(count, 1), value.mean())
    if config.kind == "user_z_score":
        square = np.bincount(train.user, (value - offset[train.user]) ** 2, minlength=rows)
        width = np.where(count > 0, np.sqrt(square / np.maximum(count, 1)), value.std())
    width = np.where(width > 1e-6, width, 1)  # one value only: the centre is all that can be said
    return Scale(config, offset.astype(np.float32), width.astype(np.float32))


def _bend(interactions: Interactions, config: Normalisation) -> np.ndarray:
    value = interactions.value
    if config.kind == "binary":
        return (value > config.above).astype(np.float32)
    if config.kind == "log1p":
        if len(value) and value.min() <= -1:
            place = int(value.argmin())
            raise InputError(
                f"the value {value[place]:g} in row {interactions.row[place]} (rows count from 0) "
                "has no log1p; choose another normalisation or a min_value"
            )
        return np.log1p(value)
    return value
