"""What users are recommended: lists of unseen items, and the best of many vectors."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.ours.side import Side
from benchmarks.works import Work
from jaxrec.data.histories import longest, window
from jaxrec.data.prepare import Prepared
from jaxrec.data.resident import Resident, question, resident
from jaxrec.models.matrix_factorization import MatrixFactorizationConfig
from jaxrec.retrieval import Scorer, model_scorer, top_k
from jaxrec.typing import CSR, Catalogue, Items, Spec

Arrays = dict[str, np.ndarray]

USERS_AT_ONCE = 2**26
"""Bytes of the known items of the users that are asked for at once, as in recommend.py."""


def top_100(work: Work, prepared: Prepared, arrays: Arrays) -> Side:
    """Ask a matrix factorisation with given factors for every user's best items."""
    scorer, variables = factored(arrays, resident(prepared, prepared.split.train))
    ask = asker(scorer, prepared, work.params["k"])
    return Side(lambda: ask(variables), lambda found: {"lists": found})


def search(work: Work, arrays: Arrays) -> Side:
    """Ask for the best of all items, of which none is known to anybody."""
    sizes = [len(arrays[f"{who}_factors"]) + 1 for who in ("user", "item")]
    none = CSR(jnp.zeros(sizes[0] + 1, jnp.int32), jnp.zeros(1, jnp.int32))
    items = Items(jnp.arange(sizes[1], dtype=jnp.int32), {})
    catalogue = Catalogue(items, jnp.zeros(sizes[1], jnp.float32), none)
    data = Resident(catalogue, none, {})
    scorer, variables = factored(arrays, data)
    batch = question(data, jnp.arange(1, work.params["users"] + 1, dtype=jnp.int32), 0)
    variables = jax.block_until_ready(scorer.precompute(variables, catalogue))

    def once() -> np.ndarray:
        return np.asarray(top_k(scorer, variables, batch, work.params["k"])[0])

    return Side(once, lambda found: {"lists": found})


def factored(arrays: Arrays, data: Resident) -> tuple[Scorer, dict[str, Any]]:
    """Make a matrix factorisation of the given factors."""
    factors = {who: arrays[f"{who}_factors"] for who in ("user", "item")}
    spec = Spec(len(factors["user"]), len(factors["item"]), max_length=0)
    model = MatrixFactorizationConfig(embed_dim=factors["user"].shape[1]).build(spec)
    params = jax.jit(model.init, static_argnames="method")(
        jax.random.key(0), question(data, jnp.zeros(1, jnp.int32), 0), method="predict"
    )["params"]
    for who, rows in factors.items():
        table = params[f"{who}_vector"]["embedding"]
        params[f"{who}_vector"]["embedding"] = table.at[1 : len(rows) + 1].set(rows)
    return model_scorer(model), {"params": params}


def asker(scorer: Scorer, prepared: Prepared, k: int) -> Callable[[Any], np.ndarray]:
    """Give the function that lists the k best items each user has not met in training."""
    train = prepared.split.train
    data = resident(prepared, train)
    seen = data.catalogue.positives
    widest, length = longest(seen), scorer.history_length
    length = longest(data.histories) if length is None else length
    size = max(USERS_AT_ONCE // (4 * max(widest + length, 1)), 1)
    size = -(-len(train.users) // -(-len(train.users) // size))

    def ask(variables: Any) -> np.ndarray:
        ready = scorer.precompute(variables, data.catalogue)
        found = []
        for start in range(1, len(train.users) + 1, size):
            rows = np.arange(start, start + size, dtype=np.int32)
            users = jnp.asarray(np.where(rows <= len(train.users), rows, 0))
            batch = question(data, users, length)
            known = window(seen, users, widest)[0]
            found.append(top_k(scorer, ready, batch, k, exclude=known)[0])
        return np.concatenate(jax.device_get(found))[: len(train.users)]

    return ask
