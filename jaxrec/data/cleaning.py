"""Events left out or joined before the split, each step saying what it removed.

The order of the steps is fixed: kinds of event, their weights, the value threshold, duplicates,
k-core. Normalisation of values is none of them: its statistics may come from training events only,
so it follows the split (normalisation.py).
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from jaxrec.data.interactions import Interactions, Vocabulary, counting_sort
from jaxrec.errors import InputError


@dataclass(frozen=True)
class Cleaning:
    """Which events count. As it stands, all do."""

    events: tuple[str, ...] = ()
    """Kinds of event that are kept; empty keeps all."""
    event_weights: tuple[tuple[str, float], ...] = ()
    """Kinds of event and what they count, as view 1 buy 5; kinds not named keep their value."""
    min_value: float | None = None
    """Events of a smaller value are left out; None keeps all."""
    duplicates: Literal["keep", "first", "last", "sum", "mean"] = "keep"
    """Of a user's events with one item keep all, one, or the last with the values' sum or mean."""
    min_item_events: int = 0
    """Items of fewer events are left out, before min_user_events."""
    min_user_events: int = 0
    """Users of fewer events are left out, in turns with min_item_events (k-core)."""
    core_rounds: int | None = None
    """Turns of the two; None: until nothing changes."""


@dataclass(frozen=True)
class CleaningStep:
    """How many events, users and items a step removed."""

    name: str
    events: int
    users: int
    items: int


def clean(interactions: Interactions, config: Cleaning) -> tuple[Interactions, list[CleaningStep]]:
    """Take the steps that `config` asks for; the vocabularies shrink to what is left."""
    steps, before = [], _sizes(interactions)
    for name, step in _asked(config):
        interactions = step(interactions)
        after = _sizes(interactions)
        if not after[0]:
            raise InputError(
                f"cleaning leaves nothing: its step {name!r} removed the last {before[0]:,} events "
                f"of {before[1]:,} users and {before[2]:,} items; ask for less by data.cleaning"
            )
        steps.append(CleaningStep(name, *(old - new for old, new in zip(before, after))))
        before = after
    return compact(interactions), steps


def _asked(config: Cleaning) -> Iterator[tuple[str, Callable[[Interactions], Interactions]]]:
    if config.events:
        yield "event filter", lambda x: keep_events(x, config.events)
    if config.event_weights:
        yield "event weights", lambda x: weigh_events(x, config.event_weights)
    if config.min_value is not None:
        yield "value threshold", lambda x: keep_values(x, config.min_value)
    if config.duplicates != "keep":
        yield "duplicates", lambda x: join_duplicates(x, config.duplicates)
    if config.min_user_events > 1 or config.min_item_events > 1:
        minima = config.min_user_events, config.min_item_events
        yield "k-core", lambda x: keep_core(x, *minima, config.core_rounds)


def keep_events(interactions: Interactions, names: tuple[str, ...]) -> Interactions:
    """Keep the events of these kinds."""
    codes = _event_codes(interactions, names)
    return interactions.take(np.isin(np.asarray(interactions.event), codes))


def weigh_events(
    interactions: Interactions, weights: tuple[tuple[str, float], ...]
) -> Interactions:
    """Set the value of each event of a named kind to the kind's weight."""
    codes = _event_codes(interactions, tuple(name for name, _ in weights))
    value = interactions.value.copy()
    for code, (name, weight) in zip(codes, weights):
        if not np.isfinite(weight):
            raise InputError(f"the weight of the event {name!r} is {weight}; give a finite number")
        value[interactions.event == code] = weight
    return dataclasses.replace(interactions, value=value)


def keep_values(interactions: Interactions, min_value: float | None) -> Interactions:
    """Keep the events whose value is min_value or more; None keeps all."""
    return interactions if min_value is None else interactions.take(interactions.value >= min_value)


def join_duplicates(interactions: Interactions, rule: str) -> Interactions:
    """Leave one event of each user and item: the first, or the last.

    With "sum" and "mean" it is the last, and its value that of all of them.
    """
    places = counting_sort(interactions.item)
    places = places[counting_sort(interactions.user[places])]
    user, item = interactions.user[places], interactions.item[places]
    starts = np.flatnonzero((np.diff(user, prepend=-1) != 0) | (np.diff(item, prepend=-1) != 0))
    stops = np.append(starts[1:], len(places))
    kept = places[starts] if rule == "first" else places[stops - 1]
    if rule in ("sum", "mean"):
        totals = np.add.reduceat(interactions.value[places].astype(np.float64), starts)
        value = interactions.value.copy()
        value[kept] = totals / (stops - starts if rule == "mean" else 1)
        interactions = dataclasses.replace(interactions, value=value)
    return interactions.take(np.sort(kept))


def keep_core(
    interactions: Interactions, min_user: int, min_item: int, rounds: int | None = None
) -> Interactions:
    """Drop items, then users, of too few events: so many rounds, or to the fixed point (k-core)."""
    if rounds is not None and rounds < 1:
        raise InputError(f"data.cleaning.core_rounds is {rounds}; give 1 or more, or None")
    places = np.arange(len(interactions), dtype=np.int64)
    for _ in itertools.count() if rounds is None else range(rounds):
        before = len(places)
        for rows, least in ((interactions.item, min_item), (interactions.user, min_user)):
            own = rows[places]
            places = places[np.bincount(own)[own] >= least]
        if len(places) == before:
            break
    return interactions if len(places) == len(interactions) else interactions.take(places)


def compact(interactions: Interactions) -> Interactions:
    """Number anew the users and items that have events, and forget the others."""
    users, user = _compact(interactions.users, interactions.user)
    items, item = _compact(interactions.items, interactions.item)
    return dataclasses.replace(interactions, users=users, items=items, user=user, item=item)


def _compact(vocabulary: Vocabulary, rows: np.ndarray) -> tuple[Vocabulary, np.ndarray]:
    present = np.zeros(len(vocabulary) + 1, bool)
    present[rows] = True
    if present[1:].all():
        return vocabulary, rows
    return Vocabulary(vocabulary.ids[present[1:]]), np.cumsum(present, dtype=np.int32)[rows]


def _event_codes(interactions: Interactions, names: tuple[str, ...]) -> list[int]:
    there = interactions.event_names
    if interactions.event is None:
        raise InputError(
            f"the data has no kinds of event, so {', '.join(names)} cannot be chosen; "
            "name their column (--data.event-column)"
        )
    for name in names:
        if name not in there:
            raise InputError(f"there is no event {name!r}; the events are {', '.join(there)}")
    return [there.index(name) for name in names]


def _sizes(interactions: Interactions) -> tuple[int, int, int]:
    columns = (interactions.user, interactions.item)
    users, items = (int(np.count_nonzero(np.bincount(column, minlength=1))) for column in columns)
    return len(interactions), users, items
