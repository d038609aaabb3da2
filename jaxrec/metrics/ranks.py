"""Ranks found by counting, with no sort of the catalogue, and the metrics as formulas over them.

The rank of a target is 1 + the number of candidates ahead of it. Among candidates that are no
targets the tie rule decides who is ahead; the targets of one user stand in the order of their
scores, so that they never push each other out: a constant scorer gets 0 under pessimistic ties, 1
under optimistic ones, and k / candidates in expectation under random ones.

Scores become integers of the same order first. These also order what floats cannot: a masked item
lies below everything, a NaN below all numbers, and -inf stays a score like others. A NaN target
ranks last.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxrec.metrics.protocol import Metric, Protocol, Ties

MASKED = -(2**31)
"""The order key of what is no candidate."""
NAN = MASKED + 1
"""The order key of a NaN score."""


def order_keys(scores: Float[Array, "*batch items"]) -> Int[Array, "*batch items"]:
    """Map scores to int32 of the same order; -0 equals 0, NaN is below -inf."""
    scores = scores.astype(jnp.float32)
    bits = jax.lax.bitcast_convert_type(jnp.where(scores == 0, 0, scores), jnp.int32)
    return jnp.where(jnp.isnan(scores), NAN, bits ^ ((bits >> 31) & 0x7FFFFFFF))


def count_ranks(
    others: Int[Array, "lists items"],
    targets: Int[Array, "lists targets"],
    where: Bool[Array, "lists targets"],
    ties: Ties,
    draws: tuple[Int[Array, "lists items"], Int[Array, "lists targets"]] | None = None,
) -> Int[Array, "lists targets"]:
    """Rank every target of `where` among the others and its fellow targets, from 1.

    All are order keys; `others` holds MASKED at targets and at what is no candidate. Random ties
    compare (key, draw), draws being numbers drawn for the others and for the targets. Time grows
    with the longest list of targets, memory does not. Ranks outside `where` mean nothing.
    """
    columns = jnp.arange(targets.shape[1], dtype=jnp.int32)[None, :]
    last = jnp.max(jnp.where(where, columns + 1, 0), initial=0)

    def rank(
        column: Int[Array, ""], ranks: Int[Array, "lists targets"]
    ) -> Int[Array, "lists targets"]:
        def pick(x: Int[Array, "lists targets"]) -> Int[Array, "lists 1"]:
            return jax.lax.dynamic_slice_in_dim(x, column, 1, axis=1)

        target = pick(targets)
        equal = targets == target
        if ties == "random":
            assert draws is not None, "random ties need a draw for each item"
            others_draw, targets_draw = draws
            # What decides between a NaN target and others is that it ranks last, not the draw.
            floor = jnp.where(target == NAN, MASKED, target)
            draw = pick(targets_draw)
            luck = others_draw > jnp.where(target == NAN, 2**31 - 1, draw)
            ahead = (others > floor) | ((others == floor) & luck)
            first = (targets_draw > draw) | ((targets_draw == draw) & (columns < column))
        else:
            least = target + 1 if ties == "optimistic" else target
            ahead = others >= jnp.where(target == NAN, NAN, least)
            first = columns < column
        fellows = jnp.sum(where & ((targets > target) | (equal & first)), 1, dtype=jnp.int32)
        found = 1 + _count(ahead) + fellows
        return jax.lax.dynamic_update_slice_in_dim(ranks, found[:, None], column, axis=1)

    return jax.lax.fori_loop(0, last, rank, jnp.zeros(targets.shape, jnp.int32))


def _count(where: Bool[Array, "lists items"]) -> Int[Array, "lists"]:
    """Count the True of each row; a product with ones is up to three times as fast on a CPU."""
    if where.shape[1] > 2**24:  # beyond which float32 does not count exactly
        return jnp.sum(where, axis=1, dtype=jnp.int32)
    ones = jnp.ones(where.shape[1], jnp.float32)
    return jnp.dot(where.astype(jnp.float32), ones).astype(jnp.int32)


# Formulas over ranks: what the evaluator and metrics/ranking.py share. ----------------------------


def recall_at(
    ranks: Int[Array, "lists targets"],
    where: Bool[Array, "lists targets"],
    k: int,
    capped: bool = False,
) -> Float[Array, "lists"]:
    """Divide the hits by the number of targets; capped: by min(k, targets)."""
    return _divide(_hits(ranks, where, k).sum(1), _denominator(where, k, capped))


def hit_rate_at(
    ranks: Int[Array, "lists targets"], where: Bool[Array, "lists targets"], k: int
) -> Float[Array, "lists"]:
    """Tell whether there is a hit."""
    return _hits(ranks, where, k).any(1).astype(jnp.float32)


def precision_at(
    ranks: Int[Array, "lists targets"], where: Bool[Array, "lists targets"], k: int
) -> Float[Array, "lists"]:
    """Divide the hits by k, also where there are fewer candidates."""
    return _divide(_hits(ranks, where, k).sum(1), jnp.full(where.shape[0], k))


def mrr_at(
    ranks: Int[Array, "lists targets"], where: Bool[Array, "lists targets"], k: int
) -> Float[Array, "lists"]:
    """Give 1 / rank of the first hit."""
    return jnp.max(jnp.where(_hits(ranks, where, k), 1 / jnp.maximum(ranks, 1), 0), 1, initial=0)


def ndcg_at(
    ranks: Int[Array, "lists targets"],
    where: Bool[Array, "lists targets"],
    k: int,
    ideal: str = "targets",
) -> Float[Array, "lists"]:
    """Sum 1 / log2(rank + 1) over the hits, and divide by the best sum; see Protocol.ideal."""
    hits = _hits(ranks, where, k)
    gained = jnp.sum(jnp.where(hits, _discount(ranks), 0), 1)
    number = {"targets": where.sum(1), "k": jnp.full(hits.shape[:1], k), "hits": hits.sum(1)}[ideal]
    # Where the catalogue is smaller than k, targets are fewer too; only "k" asks for more.
    width = k if ideal == "k" else min(k, max(where.shape[1], 1))
    best = jnp.cumsum(_discount(jnp.arange(1, width + 1)))
    return _divide(gained, jnp.where(number > 0, best[jnp.clip(number, 1, width) - 1], 0))


def map_at(
    ranks: Int[Array, "lists targets"],
    where: Bool[Array, "lists targets"],
    k: int,
    capped: bool = False,
) -> Float[Array, "lists"]:
    """Average the precision at each hit over the targets; capped: over min(k, targets)."""
    ordered = jnp.sort(jnp.where(where, ranks, 2**31 - 1), axis=1)
    place = jnp.arange(1, ranks.shape[1] + 1, dtype=jnp.float32)[None, :]
    precision = jnp.where(ordered <= k, place / jnp.maximum(ordered, 1), 0)
    return _divide(precision.sum(1), _denominator(where, k, capped))


def auc_of(
    ranks: Int[Array, "lists targets"],
    where: Bool[Array, "lists targets"],
    others: Int[Array, "lists"],
) -> Float[Array, "lists"]:
    """Give the share of (target, other candidate) pairs in which the target is ahead.

    The tie rule decides equal pairs, so that a constant scorer gets 0, 1, or 1/2 in expectation.
    """
    number = where.sum(1).astype(jnp.float32)
    behind = jnp.sum(jnp.where(where, ranks, 0), 1) - number * (number + 1) / 2
    return jnp.where(number * others > 0, 1 - _divide(behind, number * others), 0)


def formula(metric: Metric, protocol: Protocol) -> Callable[[Array, Array, Array], Array]:
    """Find a metric's formula over (ranks, where, number of other candidates)."""
    k, capped = metric.k or 0, protocol.recall == "capped"
    return {
        "ndcg": lambda ranks, where, number: ndcg_at(ranks, where, k, protocol.ideal),
        "recall": lambda ranks, where, number: recall_at(ranks, where, k, capped),
        "hit_rate": lambda ranks, where, number: hit_rate_at(ranks, where, k),
        "precision": lambda ranks, where, number: precision_at(ranks, where, k),
        "mrr": lambda ranks, where, number: mrr_at(ranks, where, k),
        "map": lambda ranks, where, number: map_at(ranks, where, k, capped),
        "auc": auc_of,
    }[metric.kind]


def _hits(
    ranks: Int[Array, "lists targets"], where: Bool[Array, "lists targets"], k: int
) -> Bool[Array, "lists targets"]:
    return where & (ranks <= k)


def _discount(ranks: Int[Array, "*n"]) -> Float[Array, "*n"]:
    return 1 / jnp.log2(jnp.maximum(ranks, 1) + 1.0)


def _denominator(where: Bool[Array, "lists targets"], k: int, capped: bool) -> Int[Array, "lists"]:
    return jnp.minimum(where.sum(1), k) if capped else where.sum(1)


def _divide(x: Array, y: Array) -> Float[Array, "lists"]:
    return x / jnp.maximum(y, 1e-9).astype(jnp.float32) * (y > 0)
