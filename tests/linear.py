"""A small matrix of users × items for the linear methods, and every user's scores."""

import jax.numpy as jnp
import numpy as np

from jaxrec.data.interactions import Dataset, Interactions
from jaxrec.data.prepare import Prepared
from jaxrec.data.resident import question, resident
from jaxrec.data.splits import Split

USERS, ITEMS = 60, 25


def random_events(seed=0, users=USERS, items=ITEMS):
    """Some pairs occur twice; every user and every item occurs."""
    rng = np.random.default_rng(seed)
    user = np.concatenate([np.arange(1, users + 1), rng.integers(1, users + 1, 8 * users)])
    item = 1 + (rng.random(len(user)) ** 2 * items).astype(int)
    item[:items] = np.arange(1, items + 1)
    return Interactions.build(user, item)


def dense(events):
    """The matrix, 1 where a user has met an item."""
    met = np.zeros((len(events.users) + 1, len(events.items) + 1))
    met[events.user, events.item] = 1
    return met


def all_scores(state, events, length=ITEMS * 4):
    """Ask for every user of the table."""
    nothing = events.take(np.arange(0))
    prepared = Prepared(Dataset("", events), Split(events, nothing, nothing), (), (), {}, {}, [])
    return state.scores(
        question(resident(prepared, events), jnp.arange(len(events.users) + 1), length)
    )
