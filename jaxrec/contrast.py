"""What objectives share: targets scored beside items that are drawn against them, and wrapping."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from jaxrec.errors import InputError
from jaxrec.negatives import Negatives, owned
from jaxrec.typing import Batch

Apply = Callable[..., Any]


class Around:
    """What an objective around another asks of its batches: what the inner one does."""

    objective: Any

    @property
    def hides_items(self) -> bool:
        return getattr(self.objective, "hides_items", False)

    @property
    def reconstructs(self) -> bool:
        return getattr(self.objective, "reconstructs", False)

    def check_next(self) -> None:
        """Raise an InputError if the objective asks for items that the batch shows."""
        if self.hides_items or self.reconstructs:
            raise InputError(
                f"objective.objective is {type(self.objective).__name__}, which asks for items "
                "that the batch shows; give one that asks for what comes next, or use Views."
            )


class Contrast(NamedTuple):
    """Scores of each query's target and negatives; where: False at the target and at non-draws.

    beside: scores of further items of each query, which the objective named; item: the negatives.
    """

    target: Float[Array, "batch queries 1"]
    beside: Float[Array, "batch queries beside"]
    others: Float[Array, "batch queries num"]
    item: Int[Array, "batch queries num"]
    log_q: Float[Array, "batch queries num"]
    where: Bool[Array, "batch queries num"]
    auxiliary: Float[Array, ""] | None


def contrast(
    negatives: Negatives,
    apply: Apply,
    variables: PyTree,
    batch: Batch,
    key: Key[Array, ""],
    *,
    shared: bool = False,
    whole: bool = False,
    spare_positives: bool = False,
    beside: Int[Array, "batch queries beside"] | None = None,
) -> Contrast:
    """Draw negatives, and score them beside each query's target.

    shared: draw once for all queries, instead of for each. whole: where it is for each, score the
    catalogue and pick the drawn ones, instead of gathering their vectors. spare_positives: of
    shared draws, too, none counts that its user has in training. beside: items to score as well.
    """
    draw_key, key = jax.random.split(key)
    if beside is None:
        beside = jnp.zeros((*batch.target.shape, 0), jnp.int32)
    own = jnp.concatenate([batch.target[..., None], beside], -1)
    if shared:
        found = _shared(negatives, apply, variables, batch, own, draw_key, key)
        spared = found.where & ~owned(batch, found.item) if spare_positives else found.where
        return found._replace(where=spared)
    size, queries = batch.target.shape
    draws = negatives.draw(batch, draw_key)
    # What weighs nothing looks up the padding row, so that it leaves no trace in a table.
    item = jnp.where(batch.weights[..., None] > 0, draws.item, 0)
    candidates = jnp.concatenate([own, item], -1)
    if whole:
        user, every, auxiliary = encode(apply, variables, batch, None, key)
        scores = apply(variables, user, every, method="score")
        scores = jnp.take_along_axis(scores, candidates, -1, mode="clip")
    else:
        # Each query becomes an example with candidates of its own.
        ids = candidates.reshape(size * queries, -1)
        user, shown, auxiliary = encode(apply, variables, batch, ids, key)
        scores = apply(variables, _apart(user), shown, method="score").reshape(candidates.shape)
    where = (draws.weights > 0) & (draws.item != batch.target[..., None])
    target, others = scores[..., :1], scores[..., own.shape[-1] :]
    more = scores[..., 1 : own.shape[-1]]
    return Contrast(target, more, others, draws.item, draws.log_q, where, auxiliary)


def _shared(
    negatives: Negatives,
    apply: Apply,
    variables: PyTree,
    batch: Batch,
    own: Int[Array, "batch queries own"],
    draw_key: Key[Array, ""],
    key: Key[Array, ""],
) -> Contrast:
    draws = negatives.draw_shared(batch, draw_key)
    ids = jnp.concatenate([own.reshape(-1), draws.item])
    user, item, auxiliary = encode(apply, variables, batch, ids, key)
    of_query, drawn = (
        jax.tree.map(lambda x: x[: own.size].reshape(-1, own.shape[-1], *x.shape[1:]), item),
        jax.tree.map(lambda x: x[own.size :], item),
    )
    scores = apply(variables, _apart(user), of_query, method="score").reshape(own.shape)
    others = apply(variables, user, drawn, method="score")
    log_q = jnp.broadcast_to(draws.log_q[None, None], others.shape)
    drawn = jnp.broadcast_to(draws.item[None, None], others.shape)
    where = (draws.weights > 0)[None, None] & (drawn != batch.target[..., None])
    return Contrast(scores[..., :1], scores[..., 1:], others, drawn, log_q, where, auxiliary)


def keep_hardest(found: Contrast, count: int | None) -> Contrast:
    """Keep the `count` negatives of each query that score highest; None: all."""
    if count is None:
        return found
    order = jnp.where(found.where, jax.lax.stop_gradient(found.others), -jnp.inf)
    _, place = jax.lax.top_k(order, count)
    others, item, log_q, where = (
        jnp.take_along_axis(x, place, -1, mode="clip")
        for x in (found.others, found.item, found.log_q, found.where)
    )
    return found._replace(others=others, item=item, log_q=log_q, where=where)


def encode(
    apply: Apply,
    variables: PyTree,
    batch: Batch,
    ids: Int[Array, "..."] | None,
    key: Key[Array, ""],
    encode_user: str = "encode_user",
) -> tuple[PyTree, PyTree, Float[Array, ""] | None]:
    """Encode users and items (None: the catalogue) for training; thirdly, sum what they sowed.

    With far more ids than the catalogue has items, each item is encoded once, and then gathered.
    """
    user_key, item_key = jax.random.split(key)
    items = batch.catalogue.items
    chosen = None if ids is None or ids.size >= 2 * items.id.size else ids
    call = partial(apply, variables, mutable=["losses"])
    user, sown_by_user = call(batch, True, method=encode_user, rngs={"dropout": user_key})
    item, sown_by_item = call(
        items if chosen is None else items.take(chosen),
        True,
        method="encode_item",
        rngs={"dropout": item_key},
    )
    if chosen is None and ids is not None:
        item = jax.tree.map(lambda x: jnp.take(x, ids, axis=0), item)
    return user, item, sum_sown([sown_by_user, sown_by_item])


def sum_sown(sown: PyTree) -> Float[Array, ""] | None:
    """Add up the losses that a model sowed; None: it sowed none."""
    leaves = jax.tree.leaves(sown)
    return sum(leaf.sum() for leaf in leaves) if leaves else None


def _apart(user: PyTree) -> PyTree:
    """Make each query of each user an example of its own with one query."""
    return jax.tree.map(lambda x: x.reshape(x.shape[0] * x.shape[1], 1, *x.shape[2:]), user)
