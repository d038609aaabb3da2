"""Ways to divide events into train, validation and test, none of which lets the future leak."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from jaxrec.data.interactions import PARTS, Interactions, counting_sort
from jaxrec.errors import InputError

TRAIN, VALIDATION, TEST, VALIDATION_HISTORY, TEST_HISTORY = range(len(PARTS))
DROPPED = -1


@dataclass(frozen=True, eq=False)
class Split:
    """Disjoint events; validation and test are targets.

    What is known of a user when a part is asked: for validation, train; for test, train and
    validation; and the part's fold_in events on top, for users that training has not seen.
    """

    train: Interactions
    validation: Interactions
    test: Interactions
    validation_fold_in: Interactions | None = None
    test_fold_in: Interactions | None = None


def known(split: Split, part: Literal["train", "validation", "test"]) -> Interactions:
    """Gather what is known of users when a part is asked; it is joined anew at each call."""
    if part == "train":
        return split.train
    parts = [split.train, split.validation_fold_in]
    if part == "test":
        parts = [split.train, split.validation, split.test_fold_in]
    return Interactions.concatenate(*(x for x in parts if x is not None))


@dataclass(frozen=True)
class LeaveOneOut:
    """The last event of each user is tested, the one before validates, the others train."""

    min_events: int = 3
    """Users with fewer events have no target."""
    short_users: Literal["train", "drop"] = "train"
    """Where those users' events go: into train, or out of the data."""

    def __call__(self, interactions: Interactions, seed: int) -> Split:
        _require(self.min_events >= 3, f"min_events must be 3 or more, not {self.min_events}")
        place, count = _places(interactions)
        part = np.full(len(interactions), TRAIN, np.int8)
        part[place == count - 2] = VALIDATION
        part[place == count - 1] = TEST
        part[count < self.min_events] = TRAIN if self.short_users == "train" else DROPPED
        longest = int(count.max(initial=0))
        why = (
            f"leave-one-out needs users of at least {self.min_events} events, "
            f"and the longest history has {longest}"
        )
        return _divide(interactions, part, why)


@dataclass(frozen=True)
class Ratio:
    """A share of each user's events is tested and a share validates, drawn at random or the last.

    Ratio(0.1, 0.1) is RecBole's 8:1:1 by user; Ratio(0.0, 0.2, rounding="up") is the 80/20 of the
    NGCF and LightGCN files.
    """

    validation: float = 0.1
    """Share of each user's events that validate; 0 for none."""
    test: float = 0.1
    """Share of each user's events that are tested."""
    by: Literal["random", "time"] = "random"
    """Which events are held out: any, or the last ones (in time; validation before test)."""
    rounding: Literal["down", "up"] = "down"
    """Of the held-out numbers. Down, a share gets one event (test first) if train keeps one."""

    def __call__(self, interactions: Interactions, seed: int) -> Split:
        _check_shares(self.validation, self.test)
        place, count = _places(interactions)
        if self.by == "random":
            place = _shuffled_places(interactions, np.random.default_rng(seed))
        numbers = np.arange(count.max(initial=0) + 1)
        held = _held_out(numbers, self.validation, self.test, self.rounding)
        validation, test = held[0][count], held[1][count]
        part = np.full(len(interactions), TRAIN, np.int8)
        part[place >= count - validation - test] = VALIDATION
        part[place >= count - test] = TEST
        why = (
            f"no user's share of {self.test:g} makes an event: "
            f"the longest history has {int(count.max(initial=0))}"
        )
        return _divide(interactions, part, why, self.validation > 0)


@dataclass(frozen=True)
class GlobalTime:
    """All events from one moment on validate, from a later one on are tested, for all users.

    Events of one time are never parted, so the shares are approximate.
    """

    validation: float = 0.1
    """Share of the events that validate."""
    test: float = 0.1
    """Share of the events that are tested."""
    validation_from: float | None = None
    """First second of validation, in place of the share."""
    test_from: float | None = None
    """First second of test, in place of the share."""

    def __call__(self, interactions: Interactions, seed: int) -> Split:
        if interactions.order != "time":
            raise InputError(
                "a global-time split needs times, and this data has only the order of each user's "
                "events; name a timestamp column or choose another split"
            )
        _check_shares(self.validation, self.test)
        time = interactions.timestamp
        ordered = np.sort(time)
        test_from = _cut(ordered, self.test) if self.test_from is None else self.test_from
        validation_from = self.validation_from
        if validation_from is None:
            validation_from = min(_cut(ordered, self.validation + self.test), test_from)
        part = np.full(len(interactions), TRAIN, np.int8)
        part[time >= validation_from] = VALIDATION
        part[time >= test_from] = TEST
        why = (
            f"validation begins at {validation_from:.0f}, test at {test_from:.0f}, "
            f"and the times span {ordered[0]:.0f} to {ordered[-1]:.0f}"
        )
        validated = self.validation > 0 or self.validation_from is not None
        return _divide(interactions, part, why, validated)


@dataclass(frozen=True)
class KFold:
    """One fold of all events is tested, the others train, as Surprise's KFold(k, seed) has it."""

    k: int = 5
    """Number of folds; the first (events mod k) of them get one event more."""
    fold: int | None = None
    """Which fold is tested, from 0; None: each in turn, in a run of its own."""
    seed: int = 0
    """Seed of the shuffle. It belongs to the folds, not to the run, so that all runs share them."""
    validation: float = 0.0
    """Share of the other folds' events that validate, at random by the same seed."""

    def __call__(self, interactions: Interactions, seed: int) -> Split:
        n = len(interactions)
        _require(2 <= self.k <= n, f"k must be within 2..{n} (the number of events), not {self.k}")
        fold = self.fold
        if fold is None or not 0 <= fold < self.k:
            raise InputError(
                f"the split cannot be: fold must be within 0..{self.k - 1}, not {fold}"
            )
        _check_shares(self.validation, 0.0)
        random = np.random.RandomState(self.seed)
        shuffled = np.arange(n)
        random.shuffle(shuffled)
        start = fold * (n // self.k) + min(fold, n % self.k)
        stop = start + n // self.k + (fold < n % self.k)
        by_row = np.full(n, TRAIN, np.int8)
        by_row[shuffled[start:stop]] = TEST
        others = np.concatenate([shuffled[:start], shuffled[stop:]])
        by_row[random.permutation(others)[: int(self.validation * len(others))]] = VALIDATION
        part = np.empty(n, np.int8)
        part[np.argsort(interactions.row, kind="stable")] = by_row
        why = f"{self.k} folds of {n} events"
        return _divide(interactions, part, why, self.validation > 0)


@dataclass(frozen=True)
class UserHoldout:
    """Whole users are held out and asked after part of their events: strong generalisation.

    Liang et al., "Variational Autoencoders for Collaborative Filtering" (WWW 2018), section 4.1,
    draw for draw as their generate_data: events of items that no training user met are dropped.
    """

    validation: float | int = 0.1
    """Share (below 1) or number (from 1) of the users that validate."""
    test: float | int = 0.1
    """Share (below 1) or number (from 1) of the users that are tested."""
    target_share: float = 0.2
    """Share of a held-out user's events that are targets, rounded down; the others are known."""
    min_events: int = 5
    """Held-out users with fewer events contribute no targets."""
    seed: int = 98765
    """Seed of all draws. It belongs to the split, not to the run, so that all runs share it."""

    def __call__(self, interactions: Interactions, seed: int) -> Split:
        present = np.flatnonzero(np.bincount(interactions.user))
        validation, test = (_number(x, len(present)) for x in (self.validation, self.test))
        train = len(present) - validation - test
        _require(
            train >= 1 and test >= 1,
            f"holding out {validation} + {test} of {len(present)} users leaves {train} to train "
            "on; give split.validation and split.test that leave some",
        )
        order = np.random.RandomState(self.seed).permutation(len(present))
        role = np.zeros(len(interactions.users) + 1, np.int8)
        role[present[order[train:]]] = VALIDATION
        role[present[order[train + validation :]]] = TEST
        part = role[interactions.user]
        met = np.zeros(len(interactions.items) + 1, bool)
        met[interactions.item[part == TRAIN]] = True
        part[~met[interactions.item]] = DROPPED
        for target, history in ((VALIDATION, VALIDATION_HISTORY), (TEST, TEST_HISTORY)):
            self._hide_targets(interactions, part, target, history)
        why = (
            f"of {test} held-out users none has {self.min_events} events "
            f"of items that the {train} training users met"
        )
        return _divide(interactions, part, why, validation > 0)

    def _hide_targets(
        self, interactions: Interactions, part: np.ndarray, target: int, history: int
    ) -> None:
        """Divide the events marked `target` into target and history, in place, user by user."""
        random = np.random.RandomState(self.seed)
        places = np.flatnonzero(part == target)
        places = places[np.lexsort((interactions.row[places], interactions.user[places]))]
        _, starts = np.unique(interactions.user[places], return_index=True)
        for start, stop in zip(starts, np.append(starts[1:], len(places))):
            n = stop - start
            hidden = np.zeros(n, bool)
            if n >= self.min_events:
                hidden[random.choice(n, int(self.target_share * n), replace=False)] = True
            part[places[start:stop][~hidden]] = history


@dataclass(frozen=True)
class Given:
    """The parts that the source came in; its history parts are known but no targets."""

    validation: float = 0.0
    """Share of each user's training events that validate, at random, where the source has none."""
    rounding: Literal["down", "up"] = "down"
    """Of that number. Down, a user gives one event if train keeps one."""

    def __call__(self, interactions: Interactions, seed: int) -> Split:
        if interactions.part is None:
            raise InputError(
                "the data is one file, not parts; choose another split, or name the parts "
                "(--data.train, --data.validation, --data.test)"
            )
        _check_shares(self.validation, 0.0)
        part = interactions.part.copy()
        if self.validation > 0 and not np.any(part == VALIDATION):
            train = interactions.take(part == TRAIN)
            _, count = _places(train)
            numbers, _ = _held_out(
                np.arange(count.max(initial=0) + 1), self.validation, 0.0, self.rounding
            )
            place = _shuffled_places(train, np.random.default_rng(seed))
            chosen = np.flatnonzero(part == TRAIN)[place >= count - numbers[count]]
            part[chosen] = VALIDATION
        return _divide(interactions, part, "the source's test part is empty", self.validation > 0)


def _divide(
    interactions: Interactions, part: np.ndarray, why: str, validated: bool = True
) -> Split:
    """Take the parts; `why` explains a part that turns out empty."""
    masks = [part == x for x in range(len(PARTS))]
    asked = (TRAIN, VALIDATION, TEST) if validated else (TRAIN, TEST)
    empty = [PARTS[x] for x in asked if not masks[x].any()]
    if empty:
        users = np.count_nonzero(np.bincount(interactions.user, minlength=1))
        raise InputError(
            f"the split leaves {' and '.join(empty)} empty, of {len(interactions):,} events of "
            f"{users:,} users: {why}; choose another split or clean less"
        )
    train, validation, test, *histories = (interactions.take(mask) for mask in masks)
    fold_ins = [x if len(x) else None for x in histories]
    return Split(train, validation, test, *fold_ins)


def _places(interactions: Interactions) -> tuple[np.ndarray, np.ndarray]:
    """Return each event's place in its user's history, and the history's length."""
    counts = np.bincount(interactions.user, minlength=1).astype(np.int32)
    starts = np.cumsum(counts, dtype=np.int32) - counts
    place = np.arange(len(interactions), dtype=np.int32) - starts[interactions.user]
    return place, counts[interactions.user]


def _shuffled_places(interactions: Interactions, random: np.random.Generator) -> np.ndarray:
    """Return a random place for each event within its user's history."""
    places, _ = _places(interactions)
    shuffled = random.permutation(np.arange(len(interactions), dtype=np.int32))
    grouped = shuffled[counting_sort(interactions.user[shuffled])]
    random_place = np.empty_like(places)
    random_place[grouped] = places
    return random_place


def _held_out(
    count: np.ndarray, validation: float, test: float, rounding: str
) -> tuple[np.ndarray, np.ndarray]:
    """Say how many events of a user validate and are tested, by the user's number of events."""
    shares = (test, validation)
    if rounding == "up":
        tested = np.ceil(count * test - 1e-9).astype(np.int32)
        both = np.ceil(count * (test + validation) - 1e-9).astype(np.int32)
        return both - tested, tested
    numbers = [(share * count).astype(np.int32) for share in shares]
    left = count - sum(numbers)
    for number, share in zip(numbers, shares):
        extra = (left > 1) & (share * count > 0) & (share * count < 1)
        number += extra
        left -= extra
    return numbers[1], numbers[0]


def _cut(ordered: np.ndarray, share: float) -> float:
    place = min(int(len(ordered) * (1 - share)), len(ordered) - 1)
    return float(ordered[place]) if share > 0 else float("inf")


def _number(amount: float | int, users: int) -> int:
    return int(amount * users) if amount < 1 else int(amount)


def _check_shares(validation: float, test: float) -> None:
    _require(
        validation >= 0 and test >= 0 and validation + test < 1,
        f"shares must be 0 or more and leave some for train, not {validation:g} for validation and "
        f"{test:g} for test",
    )


def _require(fine: bool, sentence: str) -> None:
    if not fine:
        raise InputError(f"the split cannot be: {sentence}")
