"""Small random ratings, with a user and an item that nothing is known of, for oracles in NumPy; and
the folds of ML-100K."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from jaxrec.data.histories import longest
from jaxrec.data.interactions import Dataset, Interactions
from jaxrec.data.prepare import DataConfig, Prepared, load, prepare
from jaxrec.data.resident import question, resident
from jaxrec.data.splits import KFold, Split
from jaxrec.evaluate import evaluate
from jaxrec.metrics.protocol import Protocol
from jaxrec.retrieval import baseline_scorer

USERS, ITEMS = 30, 20


def random_ratings(seed=0):
    """About 200 ratings of 1..5, no pair twice; the last user and the last item have none."""
    rng = np.random.default_rng(seed)
    rated = rng.random((USERS, ITEMS)) < 0.35
    rated[-1, :] = rated[:, -1] = True
    user, item = np.nonzero(rated)
    taste = rng.normal(0, 1, (USERS, 2)) @ rng.normal(0, 1, (2, ITEMS))
    value = np.clip(np.rint(3.4 + taste + rng.normal(0, 0.5, taste.shape)), 1, 5)[user, item]
    events = Interactions.build(user + 1, item + 1, value)
    return events.take((events.user < USERS) & (events.item < ITEMS))


def matrix(events):
    """The ratings as users × items, NaN where there are none."""
    ratings = np.full((USERS + 1, ITEMS + 1), np.nan)
    ratings[events.user, events.item] = events.value
    return ratings


def pairs(events):
    """Ask for every pair of a user (0, the unknown one, too) and an item, row by row."""
    nothing = events.take(np.arange(0))
    prepared = Prepared(Dataset("", events), Split(events, nothing, nothing), (), (), {}, {}, [])
    known = resident(prepared, events)
    user, item = np.meshgrid(np.arange(USERS + 1), np.arange(ITEMS + 1), indexing="ij")
    batch = question(known, jnp.asarray(user.ravel(), jnp.int32), longest(known.histories))
    return dataclasses.replace(batch, target=jnp.asarray(item.reshape(-1, 1), jnp.int32))


def predicted(state, events):
    """The predictions of all pairs as users × items; column 0 means nothing."""
    return np.asarray(state.predict(pairs(events))).reshape(USERS + 1, ITEMS + 1)


def errors_on_ml100k(data_root, config, folds):
    """The mean RMSE and MAE over the first of Surprise's five folds."""
    data = DataConfig(path=str(data_root / "ml-100k"))
    dataset = load(data, lambda note: None)
    protocol = Protocol(metrics=("rmse", "mae"), monitor="rmse", clip=(1.0, 5.0), resamples=0)
    found = []
    for fold in range(folds):
        prepared = prepare(dataset, dataclasses.replace(data, split=KFold(fold=fold)), 0)
        state = config.fit(prepared.split.train)
        found.append(evaluate(baseline_scorer(config), state, prepared, "test", protocol).metrics)
    return [np.mean([metrics[name] for metrics in found]) for name in ("rmse", "mae")]
