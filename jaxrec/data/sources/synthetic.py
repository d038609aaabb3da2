"""Behaviour drawn from a known law, so that the best possible ranking is known too.

A user's next item has the probability

    P(i | u, j) = pop(i) w_pop + sum_k theta(u, k) phi(k, i) w_taste + T(i | j) w_next

of three planted parts: Zipf popularity; latent factors, theta and phi; and first-order transitions
from the item before, j, to three others. With `repeats` off, items that the user has met are drawn
again, which leaves the order of the others as it is. So ranking the unseen items by P is optimal
under every top-k metric.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxrec.data.interactions import Dataset, Interactions, Vocabulary
from jaxrec.errors import InputError

CHUNK = 16_384  # users drawn at a time
TRIES = 64  # draws for an item that the user has not met, before the event is left out
SUCCESSORS = np.array([0.6, 0.3, 0.1])  # of each item, by probability


@dataclass(frozen=True)
class Synthetic:
    """What is planted, and how much of it."""

    num_users: int = 1_000
    """Users; their raw ids are 1..num_users."""
    num_items: int = 500
    """Items; their raw ids are 1..num_items."""
    num_events: int = 30_000
    """Events, 5 a user or more; their numbers by user are log-normal."""
    num_factors: int = 8
    """Latent factors of taste."""
    popularity_share: float = 0.2
    """Share of events drawn by popularity alone (w_pop); the rest goes to the shares below."""
    transition_share: float = 0.3
    """Share of events drawn by the item before (w_next); what the two leave is taste (w_taste)."""
    zipf_power: float = 0.8
    """Popularity falls with the rank to this power."""
    concentration: float = 0.2
    """Of the Dirichlet law of users' tastes and items' factors; small: few factors each."""
    repeats: bool = False
    """Whether a user may meet an item again."""
    ratings: bool = True
    """Values 1..5 that follow taste; False: all 1."""
    missing_share: float = 0.05
    """Share of the features that are missing."""
    seed: int = 0
    """Of all draws."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The planted law. Users, items and previous items are raw ids; previous 0: the first event."""

    config: Synthetic
    theta: np.ndarray  # float32 [num_users, num_factors], rows sum to 1
    phi: np.ndarray  # float32 [num_factors + 1, num_items], rows sum to 1; the last is popularity
    successors: np.ndarray  # int32 [num_items + 1, 3], raw ids; row 0 unused
    user_bias: np.ndarray  # float32 [num_users]
    item_bias: np.ndarray  # float32 [num_items]

    def probabilities(self, user: np.ndarray, previous: np.ndarray) -> np.ndarray:
        """Give P over all items, [batch, num_items + 1]; column 0, padding, is 0."""
        taste, popularity, following = self._weights(previous)
        scores = np.zeros((len(user), self.config.num_items + 1))
        scores[:, 1:] = taste[:, None] * (self.theta[user - 1] @ self.phi[:-1])
        scores[:, 1:] += popularity[:, None] * self.phi[-1][None, :]
        for place, weight in enumerate(SUCCESSORS):
            after = self.successors[previous, place]
            scores[np.arange(len(user)), after] += following * weight
        return scores

    def log_probability(
        self, user: np.ndarray, previous: np.ndarray, item: np.ndarray
    ) -> np.ndarray:
        """Give log P of single items, without all others."""
        taste, popularity, following = self._weights(previous)
        affinity = np.einsum("bk,kb->b", self.theta[user - 1], self.phi[:-1, item - 1])
        chance = taste * affinity + popularity * self.phi[-1, item - 1]
        hits = (self.successors[previous] == item[:, None]) * SUCCESSORS[None, :]
        return np.log(chance + following * hits.sum(axis=1))

    def rating(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Give the value that is expected before noise, rounding and clipping to 1..5."""
        share = self.phi[:-1, item - 1] / self.phi[:-1, item - 1].sum(axis=0)
        fit = np.einsum("bk,kb->b", self.theta[user - 1], share)
        return 2.5 + 2 * fit + self.user_bias[user - 1] + self.item_bias[item - 1]

    def _weights(self, previous: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        config = self.config
        following = np.where(previous > 0, config.transition_share, 0.0)
        rest = (1 - following) / (1 - config.transition_share)
        taste = 1 - config.popularity_share - config.transition_share
        return taste * rest, config.popularity_share * rest, following


def generate(config: Synthetic) -> Dataset:
    """Draw the events and tables of features; the same config gives the same data."""
    planted = truth(config)
    random = np.random.default_rng([config.seed, 1])
    length = _lengths(config, random)
    start = np.cumsum(length) - length
    item = np.zeros(length.sum(), np.int32)
    by_length = np.argsort(-length, kind="stable")
    for first in range(0, config.num_users, CHUNK):
        users = by_length[first : first + CHUNK]
        for step, active, drawn in _draw(planted, users, length[users], random):
            item[start[active] + step] = drawn
    user = np.repeat(np.arange(1, config.num_users + 1, dtype=np.int32), length)
    kept = item > 0
    user, item = user[kept], item[kept]
    interactions = Interactions(
        users=Vocabulary(np.arange(1, config.num_users + 1)),
        items=Vocabulary(np.arange(1, config.num_items + 1)),
        user=user,
        item=item,
        value=_values(planted, user, item, random),
        timestamp=_times(user, random),
        row=np.arange(len(user)),
        order="time",
    )
    user_table, item_table = _tables(planted, np.random.default_rng([config.seed, 2]))
    return Dataset("synthetic", interactions, user_table, item_table, title="title")


def truth(config: Synthetic) -> Truth:
    """Plant the law; it depends on the config only."""
    _check(config)
    random = np.random.default_rng([config.seed, 0])
    users, items, factors = config.num_users, config.num_items, config.num_factors
    alpha = np.full(factors, config.concentration)
    popularity = np.empty(items)
    popularity[random.permutation(items)] = np.arange(1, items + 1) ** -config.zipf_power
    affinity = random.dirichlet(alpha, items).T + 1e-3
    phi = np.concatenate([affinity * popularity[None, :], popularity[None, :]])
    phi /= phi.sum(axis=1, keepdims=True)
    theta = random.dirichlet(alpha, users)
    cycle = random.permutation(items) + 1
    successors = np.zeros((items + 1, len(SUCCESSORS)), np.int32)
    successors[cycle] = np.stack([np.roll(cycle, -1 - k) for k in range(len(SUCCESSORS))], axis=1)
    return Truth(
        config,
        theta.astype(np.float32),
        phi.astype(np.float32),
        successors,
        random.normal(0, 0.4, users).astype(np.float32),
        random.normal(0, 0.4, items).astype(np.float32),
    )


def _check(config: Synthetic) -> None:
    longest_mean = config.num_items / 6
    mean = config.num_events / max(config.num_users, 1)
    shares = config.popularity_share, config.transition_share
    if config.num_users < 2 or config.num_items < 10 or config.num_factors < 1:
        raise InputError("synthetic data needs two users, ten items and one factor at least")
    if min(shares) < 0 or sum(shares) >= 1:
        raise InputError(f"popularity_share and transition_share must sum to less than 1: {shares}")
    if mean < 5 or (mean > longest_mean and not config.repeats):
        raise InputError(
            f"{config.num_events:,} events are {mean:.1f} a user; give 5 or more and, without "
            f"repeats, at most a sixth of the items ({longest_mean:.1f})"
        )


def _lengths(config: Synthetic, random: np.random.Generator) -> np.ndarray:
    """Draw the users' numbers of events, 5 or more, log-normal, which sum to num_events."""
    weight = random.lognormal(0.0, 0.7, config.num_users)
    spare = config.num_events - 5 * config.num_users
    limit = config.num_events if config.repeats else config.num_items // 2
    share = weight / weight.sum() * spare
    length = np.minimum(5 + share.astype(np.int64), limit)
    while (missing := config.num_events - int(length.sum())) > 0:
        open_users = np.flatnonzero(length < limit)
        length[random.permutation(open_users)[:missing]] += 1
    return length


def _draw(
    planted: Truth, users: np.ndarray, length: np.ndarray, random: np.random.Generator
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Draw step by step for all users of a chunk (places, longest first); 0: none was found."""
    taste = np.cumsum(planted.theta[users], axis=1)
    cumulative = np.cumsum(planted.phi.astype(np.float64), axis=1)
    cumulative /= cumulative[:, -1:]
    table = (cumulative + np.arange(len(cumulative))[:, None]).ravel()
    history = np.zeros((int(length[0]), len(users)), np.int32)
    previous = np.zeros(len(users), np.int32)
    for step in range(len(history)):
        active = int(np.searchsorted(-length, -step, side="left"))  # those with length > step
        drawn = _candidates(planted, taste[:active], table, previous[:active], random)
        if not planted.config.repeats:
            met = np.flatnonzero((history[:step, :active] == drawn[None, :]).any(axis=0))
            for _ in range(TRIES):
                if not len(met):
                    break
                drawn[met] = _candidates(planted, taste[met], table, previous[met], random)
                met = met[(history[:step, met] == drawn[met][None, :]).any(axis=0)]
            drawn[met] = 0
        history[step, :active] = drawn
        previous[:active] = np.where(drawn > 0, drawn, previous[:active])
        yield step, users[:active], drawn


def _candidates(
    planted: Truth,
    taste: np.ndarray,
    table: np.ndarray,
    previous: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:
    """Draw one item a user from P: first which part of the law, then which item of the part."""
    config, n = planted.config, len(previous)
    part, inside = random.random(n), random.random(n)
    following = (part < config.transition_share) & (previous > 0)
    part = (part - config.transition_share) / (1 - config.transition_share)
    part = np.where(part < 0, random.random(n), part)  # a first event: taste or popularity
    popular = part < config.popularity_share / (1 - config.transition_share)
    factor = (random.random(n, np.float32)[:, None] >= taste[:, :-1]).sum(axis=1)
    factor = np.where(popular, config.num_factors, factor)
    item = np.searchsorted(table, factor + inside, side="right") - factor * config.num_items + 1
    place = np.searchsorted(np.cumsum(SUCCESSORS)[:-1], inside, side="right")
    item = np.where(following, planted.successors[previous, place], item)
    return np.minimum(item, config.num_items).astype(np.int32)


def _values(
    planted: Truth, user: np.ndarray, item: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    value = np.ones(len(user), np.float32)
    if planted.config.ratings:
        for start in range(0, len(user), 1 << 20):
            part = slice(start, start + (1 << 20))
            noise = random.normal(0, 0.5, len(user[part]))
            value[part] = np.clip(np.rint(planted.rating(user[part], item[part]) + noise), 1, 5)
    return value


def _times(user: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Give whole seconds: users begin within a year, their events are hours apart."""
    elapsed = np.cumsum(random.exponential(7_200, len(user)))
    first = np.flatnonzero(np.diff(user, prepend=0))
    begin = random.uniform(1.6e9, 1.6e9 + 3.15e7, len(first)) - elapsed[first]
    return np.floor(elapsed + np.repeat(begin, np.diff(first, append=len(user))))


def _tables(planted: Truth, random: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Describe users and items by noisy views of their factors."""
    config = planted.config
    share = (planted.phi[:-1] / planted.phi[:-1].sum(axis=0)).T
    best = np.argsort(-share, axis=1)[:, :2]
    names = np.array([f"factor {k}" for k in range(config.num_factors)], object)
    item_table = pd.DataFrame(
        {
            "title": [f"Item {i}" for i in range(1, config.num_items + 1)],
            "kind": _holed(names[best[:, 0]], config, random),
            "tags": [names[np.unique(row)].tolist() for row in best],
            "quality": _holed(planted.item_bias + random.normal(0, 0.1, len(best)), config, random),
        }
    )
    favourite = names[planted.theta.argmax(axis=1)]
    age = 20 + 40 * planted.theta[:, 0] + random.normal(0, 5, config.num_users)
    user_table = pd.DataFrame(
        {"group": _holed(favourite, config, random), "age": _holed(age, config, random)}
    )
    return user_table, item_table


def _holed(column: np.ndarray, config: Synthetic, random: np.random.Generator) -> pd.Series:
    return pd.Series(column).mask(random.random(len(column)) < config.missing_share)
