"""Training events thinned out, or joined by noise; what validates and is tested stays as it is."""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from jaxrec.data.interactions import PARTS, Interactions
from jaxrec.data.splits import DROPPED, TRAIN, LeaveOneOut


def in_parts(interactions: Interactions) -> Interactions:
    """Mark each user's last event as test, the one before as validation; every event counts 1."""
    split = LeaveOneOut()(interactions, seed=0)
    part = np.full(len(interactions), TRAIN, np.int8)
    for name in ("validation", "test"):
        part[np.isin(interactions.row, getattr(split, name).row)] = PARTS.index(name)
    ones = np.ones(len(interactions), np.float32)
    return dataclasses.replace(interactions, value=ones, part=part)


def thinned(interactions: Interactions, kept: float, seed: int) -> Interactions:
    """Keep so large a share of each user's training events, drawn at random, one at least.

    The others stand in no part, so that their items stay in the catalogue. What a smaller share
    keeps is among what a larger one keeps by the same seed.
    """
    assert interactions.part is not None
    train = np.flatnonzero(interactions.part == TRAIN)
    user = interactions.user[train]
    shuffled = np.lexsort((np.random.default_rng(seed).random(len(train)), user))
    counts = np.bincount(user)
    place = np.arange(len(train)) - (np.cumsum(counts) - counts)[user]
    numbers = np.maximum(np.rint(kept * counts), 1)
    part = interactions.part.copy()
    part[train[shuffled[place >= numbers[user]]]] = DROPPED
    return dataclasses.replace(interactions, part=part)


def noisy(interactions: Interactions, noise: float, seed: int) -> Interactions:
    """Add training events to each user until they are so large a share of the user's.

    Their items are drawn uniformly, without repetition, among those that the user meets in no part,
    as many as there are; their places uniformly among the user's training events. Each has the time
    and value of the event beside it. A smaller share's noise is, by the same seed, of the same
    items as a part of a larger one's.
    """
    assert interactions.part is not None
    random = np.random.default_rng(seed)
    drawn, beside, after = [], [], []
    for start, stop, unmet in _unmet(interactions):
        train = start + np.flatnonzero(interactions.part[start:stop] == TRAIN)
        number = int(np.rint(noise / (1 - noise) * len(train)))
        items = random.permutation(unmet)[:number]
        gaps = random.integers(0, len(train) + 1, len(unmet))[: len(items)]
        drawn.append(items)
        beside.append(train[np.minimum(gaps, len(train) - 1)])
        after.append(gaps == len(train))
    neighbour = np.concatenate(beside)
    events = np.arange(len(interactions))
    rank = np.concatenate([events, neighbour + np.where(np.concatenate(after), 0.5, -0.5)])
    order = np.argsort(rank, kind="stable")
    joined = interactions.take(np.concatenate([events, neighbour])[order])
    item = np.concatenate([interactions.item, *drawn])[order].astype(np.int32)
    return dataclasses.replace(joined, item=item, row=np.arange(len(order)))


def never_met(interactions: Interactions) -> Int[np.ndarray, "users_plus_1 n"]:
    """List the items that each user meets in no part, row 0 and the ends of rows filled with 0."""
    lists = [unmet for _, _, unmet in _unmet(interactions)]
    found = np.zeros((len(lists) + 1, max(map(len, lists))), np.int32)
    for row, items in zip(found[1:], lists):
        row[: len(items)] = items
    return found


def _unmet(interactions: Interactions) -> Iterator[tuple[int, int, np.ndarray]]:
    """Give, user by user, where the events begin and end, and the items without one, ascending."""
    bounds = np.searchsorted(interactions.user, np.arange(1, len(interactions.users) + 2))
    for start, stop in itertools.pairwise(bounds):
        unmet = np.ones(len(interactions.items) + 1, bool)
        unmet[0] = unmet[interactions.item[start:stop]] = False
        yield start, stop, np.flatnonzero(unmet)
