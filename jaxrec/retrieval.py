"""How anything that was fitted is asked for scores, and the best items by them."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, no_type_check, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import struct
from jaxtyping import Array, Bool, Float, Int, PyTree

from jaxrec.errors import InputError
from jaxrec.typing import Batch, Catalogue

ROWS_AT_ONCE = 2**16
"""Items encoded at once in `precompute`, so that a large catalogue's activations fit memory."""
CACHE_BYTES = 2**23
"""Of a chunk's largest array, on a CPU: measured twice as fast as 32 MiB."""
USERS_TO_SHARE = 128
"""Scored at once, as far as memory goes: each reading of a large item table serves them all."""
BLOCK_BYTES = 2**20
"""Of what is made of a block's pairs of user and item, on a CPU: a core's cache. Else 64 times."""
PARTS = 4
"""Of a chunk's users, for each of which the best items are looked for apart."""
LEAST_BLOCK = 16
"""Columns of a block, below which a top-k in two stages is no faster."""


@runtime_checkable
class Scorer(Protocol):
    """What the evaluator, top_k and the recommender need; hashable, so that compilations are
    shared.

    history_length: how many known items a question should show; 0 none, None all.
    """

    @property
    def history_length(self) -> int | None: ...

    def precompute(self, variables: PyTree, catalogue: Catalogue) -> PyTree:
        """Do once what all questions share; the result takes the place of the variables."""
        ...

    def scores(
        self, variables: PyTree, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        """Score each user's candidates, or the catalogue's n + 1 rows; column 0 means nothing."""
        ...

    def predict(self, variables: PyTree, batch: Batch) -> Float[Array, "batch"]:
        """Predict the value of each example's own pair: a rating, or a log-odds."""
        ...


def reads_times(asked: Any) -> bool:
    """Tell whether a scorer, or the config of a model, needs the times of events."""
    return getattr(asked, "reads_times", False)


@struct.dataclass
@no_type_check
class Precomputed:
    """A model's variables, with the vectors of the whole catalogue."""

    variables: PyTree
    items: PyTree


@dataclass(frozen=True)
class ModelScorer:
    """A Flax model as a Scorer."""

    model: nn.Module

    @property
    def history_length(self) -> int | None:
        return self.model.config.history_length

    @property
    def reads_times(self) -> bool:
        """Whether batches must tell the times of the events that they show."""
        return reads_times(self.model.config)

    def precompute(self, variables: PyTree, catalogue: Catalogue) -> PyTree:
        """Encode all items, in blocks of rows; a model may prepare its variables itself first."""
        if isinstance(variables, Precomputed):
            return variables
        own = getattr(self.model, "precompute", None)
        variables = variables if own is None else own(variables)
        if not hasattr(self.model, "encode_item"):
            return Precomputed(variables, None)
        return Precomputed(variables, _encode_catalogue(self.model, variables, catalogue))

    def scores(
        self, variables: PyTree, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        if items is not None:
            over: PyTree = items
            variables = _raw(variables)
        else:
            variables = self.precompute(variables, batch.catalogue)
            variables, over = variables.variables, variables.items
        user = self.model.apply(variables, batch, method="encode_user")

        def score(block: PyTree) -> Float[Array, "batch n"]:
            if items is not None:
                shown = batch.catalogue.items.take(block)
                block = self.model.apply(variables, shown, method="encode_item")
            found: Any = self.model.apply(variables, user, block, method="score")
            return found[:, -1]

        return _in_blocks(score, over, axis=0 if items is None else 1)

    def predict(self, variables: PyTree, batch: Batch) -> Float[Array, "batch"]:
        variables = _raw(variables)
        found: Any = self.model.apply(variables, batch, method="predict")
        return found


@dataclass(frozen=True)
class BaselineScorer:
    """A baseline's config as a Scorer; its variables are the fitted state."""

    config: Any

    @property
    def history_length(self) -> int | None:
        return self.config.history_length

    def precompute(self, variables: PyTree, catalogue: Catalogue) -> PyTree:
        return variables

    def scores(
        self, variables: PyTree, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        return variables.scores(batch, items)

    def predict(self, variables: PyTree, batch: Batch) -> Float[Array, "batch"]:
        if not hasattr(variables, "predict"):
            raise InputError(
                f"{type(self.config).__name__} ranks items and predicts no values; leave rmse, mae "
                "and log_loss out of --protocol.metrics."
            )
        return variables.predict(batch)


def model_scorer(model: nn.Module) -> Scorer:
    """Ask a model; its variables are {"params": …} and its other collections."""
    return ModelScorer(model)


def baseline_scorer(config: Any) -> Scorer:
    """Ask a baseline; its variables are the state that `config.fit` gave."""
    return BaselineScorer(config)


def rebuild(kind: type, saved: dict[str, Any]) -> Any:
    """Make a baseline's state out of what a checkpoint holds; a state may hold others."""
    hints: dict[str, Any] = {item.name: item.type for item in dataclasses.fields(kind)}
    parts = {
        name: rebuild(hints[name], value) if isinstance(value, dict) else value
        for name, value in saved.items()
    }
    return kind(**parts)


def _raw(variables: PyTree) -> PyTree:
    return variables.variables if isinstance(variables, Precomputed) else variables


@functools.partial(jax.jit, static_argnums=0)
def _encode_catalogue(model: nn.Module, variables: PyTree, catalogue: Catalogue) -> PyTree:
    items = catalogue.items
    rows = items.id.shape[0]

    def encode(ids: Int[Array, "rows"]) -> PyTree:
        return model.apply(variables, items.take(ids), method="encode_item")

    if rows <= ROWS_AT_ONCE:
        return encode(items.id)
    blocks = -(-rows // ROWS_AT_ONCE)
    ids = jnp.pad(items.id, (0, blocks * ROWS_AT_ONCE - rows)).reshape(blocks, ROWS_AT_ONCE)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:rows], jax.lax.map(encode, ids))


def _in_blocks(
    score: Callable[[PyTree], Float[Array, "batch n"]], over: PyTree, axis: int
) -> Float[Array, "batch n"]:
    """Score blocks of items, whose place in `over` is `axis`, so that what is made of the pairs of
    a block, such as an MLP's hidden layers, stays below BLOCK_BYTES.

    Where that is no larger than the scores, as it is for a dot product, all items are one block.
    """
    leaves = jax.tree.leaves(over)
    if not leaves or leaves[0].shape[axis] == 0:
        return score(over)
    items = leaves[0].shape[axis]

    def at(number: int) -> list[int]:
        def some(x: Array) -> Any:
            shape = (*x.shape[:axis], number, *x.shape[axis + 1 :])
            return jax.ShapeDtypeStruct(shape, x.dtype)

        return _output_bytes_of(score, jax.tree.map(some, over))

    less, more = at(2), at(3)
    grown = max(y - x for x, y in zip(less, more, strict=True))
    if grown <= more[-1] - less[-1]:
        return score(over)
    limit = BLOCK_BYTES if jax.default_backend() == "cpu" else 2**6 * BLOCK_BYTES
    size = min(max(limit // grown, 1), items)

    def block(start: Int[Array, ""]) -> Float[Array, "batch size"]:
        return score(
            jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, start, size, axis), over)
        )

    # As in _top_k, the last begins early: a padded copy of a catalogue's vectors is large.
    starts = jnp.minimum(jnp.arange(0, items, size, dtype=jnp.int32), items - size)
    found = jnp.moveaxis(jax.lax.map(block, starts), 0, 1)
    users, fresh = found.shape[0], -items % size
    return jnp.concatenate([found[:, :-1].reshape(users, -1), found[:, -1, fresh:]], axis=1)


def top_k(
    scorer: Scorer,
    variables: PyTree,
    batch: Batch,
    k: int,
    *,
    exclude: Bool[Array, "#batch items_plus_1"] | Int[Array, "batch m"] | None = None,
    allowed: Bool[Array, "items_plus_1"] | Bool[Array, "#batch items_plus_1"] | None = None,
    memory_budget: int = 2**28,
) -> tuple[Int[Array, "batch k"], Float[Array, "batch k"]]:
    """Give the k best items of each user with their scores, the best first.

    exclude: a mask, of all users or of each; or lists of item rows, 0-padded, such as what was
    seen. allowed: a mask. Equal scores stand in the order of the item rows, NaN scores last. Where
    fewer items are left, the rest is item 0 at -inf. The users are scored in chunks of
    `memory_budget` bytes.
    """
    variables = scorer.precompute(variables, batch.catalogue)
    width = batch.catalogue.counts.shape[0]
    users = batch.user.shape[0]
    exclude = jnp.zeros((1, width), bool) if exclude is None else exclude
    allowed = jnp.ones((1, width), bool) if allowed is None else jnp.reshape(allowed, (-1, width))
    if not users:
        return jnp.zeros((0, k), jnp.int32), jnp.zeros((0, k), jnp.float32)
    size = min(questions_at_once(scorer, variables, batch, memory_budget), users)
    return _top_k(scorer, k, size, variables, batch, exclude, allowed)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _top_k(
    scorer: Scorer,
    k: int,
    size: int,
    variables: PyTree,
    batch: Batch,
    exclude: Bool[Array, "#batch items_plus_1"] | Int[Array, "batch m"],
    allowed: Bool[Array, "#batch items_plus_1"],
) -> tuple[Int[Array, "batch k"], Float[Array, "batch k"]]:
    """Ask for `size` users at a time, in one program: with a call each a seventh slower."""
    users = batch.user.shape[0]

    def chunk(start: Int[Array, ""]) -> tuple[Int[Array, "size k"], Float[Array, "size k"]]:
        def own(x: Array) -> Array:
            return jax.lax.dynamic_slice_in_dim(x, start, size)

        scores = scorer.scores(variables, _with_own(batch, own))
        unwanted, wanted = (own(x) if x.shape[0] == users else x for x in (exclude, allowed))
        if unwanted.dtype != bool:
            rows = jnp.arange(size)[:, None]
            unwanted = jnp.zeros(scores.shape, bool).at[rows, unwanted].set(True)
        return best_items(scores, wanted & ~unwanted, k)

    # The last chunk begins early instead of being padded; what it repeats is left out.
    starts = jnp.minimum(jnp.arange(0, users, size, dtype=jnp.int32), users - size)
    fresh = -users % size
    found = jax.lax.map(chunk, starts)
    return jax.tree.map(lambda x: jnp.concatenate([x[:-1].reshape(-1, k), x[-1, fresh:]]), found)


def best_items(
    scores: Float[Array, "batch items_plus_1"], where: Bool[Array, "#batch items_plus_1"], k: int
) -> tuple[Int[Array, "batch k"], Float[Array, "batch k"]]:
    """Give the k best items of `where`, never row 0; see `top_k` for ties, NaN and padding."""
    # Apart, since a top-k of many rows has one thread, and several have several.
    parts = max(min(len(scores), PARTS), 1)
    starts = [len(scores) * part // parts for part in range(parts + 1)]
    found = [
        _best_items(scores[start:end], where if len(where) == 1 else where[start:end], k)
        for start, end in itertools.pairwise(starts)
    ]
    items, taken = (jnp.concatenate(part) for part in zip(*found, strict=True))
    return items, taken


def _best_items(
    scores: Float[Array, "rows items_plus_1"], where: Bool[Array, "#rows items_plus_1"], k: int
) -> tuple[Int[Array, "rows k"], Float[Array, "rows k"]]:
    scores = scores.astype(jnp.float32)
    lowest = jnp.finfo(jnp.float32).min
    # A top-k of floats is a hundred times as fast as one of integers on a CPU. -inf is for what is
    # masked, so the lowest number stands for a score of -inf.
    ranked = jnp.where(jnp.isnan(scores), lowest, jnp.maximum(scores, lowest))
    ranked = jnp.where(where.at[:, 0].set(False), ranked, -jnp.inf)
    found, items = _largest(ranked, min(k, scores.shape[1]))
    taken = jnp.where(found == lowest, jnp.take_along_axis(scores, items, 1), found)
    items = jnp.where(found > -jnp.inf, items, 0).astype(jnp.int32)
    padding = ((0, 0), (0, k - items.shape[1]))
    return jnp.pad(items, padding), jnp.pad(taken, padding, constant_values=-jnp.inf)


def _largest(
    x: Float[Array, "rows n"], k: int
) -> tuple[Float[Array, "rows k"], Int[Array, "rows k"]]:
    """Do as `jax.lax.top_k`, which takes time by the column.

    The k largest lie in the k blocks of columns whose maxima are the largest, the earlier of equal
    ones, since each of these has a maximum that goes before any other block's. So they are the
    largest among the columns of those blocks, and of the columns that fill no block.
    """
    n = x.shape[1]
    size = 2 ** math.ceil(math.log2(n / k) / 2) if k else 0
    if size < LEAST_BLOCK:
        found, items = jax.lax.top_k(x, k)
        return found, items
    # Measured an eighth faster than a reshape and its maxima.
    most = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, size), (1, size), "VALID")
    blocks = jnp.sort(jax.lax.top_k(most, k)[1], axis=1)
    columns = (blocks[:, :, None] * size + jnp.arange(size)[None, None, :]).reshape(len(x), -1)
    rest = jnp.arange(n - n % size, n, dtype=jnp.int32)
    columns = jnp.concatenate([columns, jnp.tile(rest, (len(x), 1))], axis=1)
    found, places = jax.lax.top_k(jnp.take_along_axis(x, columns, 1), k)
    return found, jnp.take_along_axis(columns, places, 1)


def take_rows(batch: Batch, rows: slice) -> Batch:
    """Take some of the users; the catalogue is shared."""
    return _with_own(batch, lambda x: x[rows])


def _with_own(batch: Batch, change: Callable[[Array], Any]) -> Batch:
    """Change all arrays that have a row for each user."""
    without: dict[str, Any] = {"catalogue": None}
    own = jax.tree.map(change, dataclasses.replace(batch, **without))
    return dataclasses.replace(own, catalogue=batch.catalogue)


def questions_at_once(scorer: Scorer, variables: PyTree, batch: Batch, memory_budget: int) -> int:
    """Plan how many questions to score at once: at least one, a power of two.

    What one more question takes is read off the traced program: its largest array, five times, for
    operands, result, the keys that ranks are counted in, and what the best are looked for in.
    `batch` may hold any number of questions. On a CPU the largest array of a chunk should also stay
    in the cache; if that is the scores, unless so few of them do that the item table is read for
    too few.
    """

    def sizes(rows: int) -> list[int]:
        asked = _with_own(batch, lambda x: jax.ShapeDtypeStruct((rows, *x.shape[1:]), x.dtype))
        return _output_bytes_of(scorer.scores, variables, asked)

    scores = 4 * batch.catalogue.counts.shape[0]
    # Arrays that do not grow with the questions, such as an item table, are not multiplied.
    grown = [more - less for less, more in zip(sizes(2), sizes(3), strict=False)]
    largest = max([scores, *grown])
    size = memory_budget // (5 * largest)
    if jax.default_backend() == "cpu":
        size = min(size, max(CACHE_BYTES // scores, USERS_TO_SHARE))
        size = size if largest == scores else min(size, CACHE_BYTES // largest)
    return 2 ** int(np.log2(max(size, 1)))


def _output_bytes_of(function: Callable[..., Any], *shapes: PyTree) -> list[int]:
    """List the bytes of every array that the traced program makes, its result last."""
    return list(_output_bytes(jax.make_jaxpr(function)(*shapes).jaxpr))


def _output_bytes(jaxpr: Any) -> Iterator[int]:
    for equation in jaxpr.eqns:
        for parameter in jax.tree.leaves(
            list(equation.params.values()),
            is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr"),
        ):
            inner = getattr(parameter, "jaxpr", parameter)
            if hasattr(inner, "eqns"):
                yield from _output_bytes(inner)
        for output in equation.outvars:
            yield int(np.prod(output.aval.shape)) * getattr(output.aval.dtype, "itemsize", 4)
