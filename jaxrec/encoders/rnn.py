"""Recurrent networks over histories (GRU, LSTM), and NARM's attention over their states.

Layout: inside, time leads: [length, batch, dim]. What does not wait for the state is done for all
columns at once, outside the scan: one matrix product of a layer's whole input, and, in the
gradient, one for the recurrent kernel. A step of the scan is left with the product of the state,
[batch, dim] · [dim, gates · dim], and elementwise work.

A row may hold several sessions, one after the other, told apart by segment_ids (1, 2, … along the
row, 0 at padding). The state is set to zero where a session begins, which is session-parallel
training with state reset (Hidasi et al., "Session-based Recommendations with Recurrent Neural
Networks", ICLR 2016, section 3.1.1) with the gradient through whole sessions. Padding leaves the
state as it is, and its own columns answer zero.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float, Int

from jaxrec.encoders.attention import causal
from jaxrec.encoders.dropout import Dropout

State = tuple[Array, ...]
"""What goes through time, each [batch, dim]; the first is what a layer answers with."""

UNROLL = 4
"""Columns that one turn of the compiled loop works off. On two busy CPU cores the gradient of 64
rows of 200 columns, 64 wide, took 98-104 ms with 4, 137-138 with 8 and 155-212 with 1; not yet
measured on quiet ones."""


@dataclass(frozen=True)
class Cell:
    """One step of a recurrent network, without its matrix products."""

    gates: int
    """Width of the two products that a step adds up, in multiples of the state's."""
    carried: int
    """Number of arrays that make a state."""
    step: Callable[[State, Array, Array], State]
    """The state before, the input's product and the state's product give the state after."""


def _gru(state: State, x: Array, product: Array) -> State:
    (h,) = state
    x_reset, x_update, x_new = jnp.split(x, 3, -1)
    reset, update, new = jnp.split(product, 3, -1)
    new = jnp.tanh(x_new + nn.sigmoid(x_reset + reset) * new)
    return (h + nn.sigmoid(x_update + update) * (new - h),)


def _lstm(state: State, x: Array, product: Array) -> State:
    _, memory = state
    write, keep, show, new = jnp.split(x + product, 4, -1)
    memory = nn.sigmoid(keep + 1) * memory + nn.sigmoid(write) * jnp.tanh(new)
    return nn.sigmoid(show) * jnp.tanh(memory), memory


GRU = Cell(3, 1, _gru)
"""Cho et al. (2014), as in Hidasi et al. (2016), eq. 1-4.

NOTE: the reset gate takes effect after the product with the state, not before it (cuDNN's and
Keras' form), so that a step has one product.
"""
LSTM = Cell(4, 2, _lstm)
"""Hochreiter & Schmidhuber (1997), with a forget gate whose bias starts at 1 (Jozefowicz 2015)."""


class Recurrent(nn.Module):
    """Layers of a recurrent network; each session of a row is read for itself, from its start."""

    dim: int
    cell: Cell = GRU
    num_layers: int = 1
    dropout: float = 0.0
    unroll: int = UNROLL

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "batch length features"],
        segment_ids: Int[Array, "batch length"],
        queries: Int[Array, "#batch queries"],
        train: bool = False,
    ) -> Float[Array, "batch queries dim"]:
        """Give the last layer's states after the columns `queries`; as many as there are columns
        means all of them, in order.

        In training, `dropout` drops a part of each layer's states on their way up, not of what goes
        through time.
        """
        starts, events = boundaries(segment_ids.T)
        x = jnp.swapaxes(x, 0, 1)
        for number in range(self.num_layers):
            layer = _Layer(self.dim, self.cell, self.unroll, name=f"layer_{number}")
            x = Dropout(self.dropout)(layer(x, starts, events), train)
        return states_at(jnp.swapaxes(x, 0, 1), queries)


class _Layer(nn.Module):
    dim: int
    cell: Cell
    unroll: int

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "length batch features"],
        starts: Bool[Array, "length batch 1"],
        events: Bool[Array, "length batch 1"],
    ) -> Float[Array, "length batch dim"]:
        shape = (self.dim, self.cell.gates * self.dim)
        kernel = self.param("recurrent_kernel", _orthogonal_gates, shape)
        states = run(self.cell, self.unroll, nn.Dense(shape[1])(x), kernel, starts, events)
        return jnp.where(events, states, 0)


def boundaries(
    segment_ids: Int[Array, "length batch"],
) -> tuple[Bool[Array, "length batch 1"], Bool[Array, "length batch 1"]]:
    """Mark the first event of each session, and all events; time leads."""
    # Segments ascend along a row: the highest up to a column is that of its last event.
    latest = jax.lax.cummax(segment_ids, axis=0)
    before = jnp.pad(latest[:-1], ((1, 0), (0, 0)))
    return (latest != before)[..., None], (segment_ids > 0)[..., None]


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def run(
    cell: Cell,
    unroll: int,
    x: Float[Array, "length batch gates"],
    kernel: Float[Array, "dim gates"],
    starts: Bool[Array, "length batch 1"],
    events: Bool[Array, "length batch 1"],
) -> Float[Array, "length batch dim"]:
    """Step a cell through time, from a state of zeros; x is the projected input of all columns.

    The gradient is written out. It keeps the states alone, and computes their products again, all
    at once; autodiff would keep every gate, and add up the kernel's gradient step by step.
    """
    return _forward(cell, unroll, x, kernel, starts, events)[0]


def _forward(
    cell: Cell, unroll: int, x: Array, kernel: Array, starts: Array, events: Array
) -> tuple[Array, tuple]:
    def step(state: State, now: tuple[Array, Array, Array]) -> tuple[State, State]:
        x, start, event = now
        before = _reset(state, start)
        state = _advance(cell, before, x, before[0] @ kernel, event)
        return state, state

    zeros = (jnp.zeros((x.shape[1], kernel.shape[0]), x.dtype),) * cell.carried
    _, states = jax.lax.scan(step, zeros, (x, starts, events), unroll=unroll)
    return states[0], (x, kernel, starts, events, states)


def _backward(cell: Cell, unroll: int, saved: tuple, upstream: Array) -> tuple:
    x, kernel, starts, events, states = saved
    before = _reset(tuple(jnp.pad(s[:-1], ((1, 0), (0, 0), (0, 0))) for s in states), starts)
    transposed = kernel.T

    def step(by_state: State, now: tuple) -> tuple[State, tuple[Array, Array]]:
        upstream, before, x, product, start, event = now
        by_after = (by_state[0] + upstream, *by_state[1:])
        _, pull = jax.vjp(partial(_advance, cell, event=event), before, x, product)
        (by_h, *others), by_x, by_product = pull(by_after)
        by_before = (by_h + by_product @ transposed, *others)
        return _reset(by_before, start), (by_x, by_product)

    zeros = tuple(jnp.zeros_like(s[0]) for s in states)
    columns = (upstream, before, x, before[0] @ kernel, starts, events)
    _, (by_x, by_product) = jax.lax.scan(step, zeros, columns, reverse=True, unroll=unroll)
    time_and_batch = (((0, 1), (0, 1)), ((), ()))
    return by_x, jax.lax.dot_general(before[0], by_product, time_and_batch), None, None


run.defvjp(_forward, _backward)


def _reset(state: State, start: Array) -> State:
    return tuple(jnp.where(start, 0, x) for x in state)


def _advance(cell: Cell, before: State, x: Array, product: Array, event: Array) -> State:
    """Step the cell at events; padding leaves the state as it is."""
    after = cell.step(before, x, product)
    return tuple(jnp.where(event, new, old) for new, old in zip(after, before, strict=True))


def _orthogonal_gates(
    key: Array, shape: tuple[int, int], dtype: Any = jnp.float32
) -> Float[Array, "dim gates"]:
    """Draw an orthogonal matrix for each gate, side by side."""
    dim, width = shape
    init = partial(nn.initializers.orthogonal(), shape=(dim, dim), dtype=dtype)
    each = jax.vmap(init)(jax.random.split(key, width // dim))
    return jnp.concatenate(list(each), axis=1)


class AdditiveAttention(nn.Module):
    """Average the states of a session up to each query, by how well they go with the query's own.

    The weights are the softmax of v·σ(A₁ h_q + A₂ h_j) over the columns j of the query's session up
    to the query (Li et al., "Neural Attentive Session-based Recommendation", CIKM 2017, eq. 7-8).
    NOTE: the paper sums without a softmax, which lets the answer grow with the session's length.
    """

    @nn.compact
    def __call__(
        self,
        states: Float[Array, "batch length dim"],
        segment_ids: Int[Array, "batch length"],
        queries: Int[Array, "#batch queries"],
    ) -> Float[Array, "batch queries dim"]:
        """Answer at the columns `queries`, at padding with zero; as many as there are columns means
        all of them, in order.
        """
        length, dim = states.shape[1:]
        query = nn.Dense(dim, use_bias=False, name="of_query")(states_at(states, queries))
        key = nn.Dense(dim, use_bias=False, name="of_event")(states)
        v = self.param("v", nn.initializers.normal(dim**-0.5), (dim,))
        seen = causal(segment_ids)[:, 0]
        if queries.shape[1] != length:
            seen = jnp.take_along_axis(seen, queries[:, :, None], axis=1)
        # A finite floor: a query that sees nothing gets weights without NaN, and then none.
        scores = jnp.where(seen, additive_scores(query, key, v), -1e9)
        weights = jnp.where(seen, nn.softmax(scores), 0)
        return jnp.einsum("bqk,bkd->bqd", weights, states)


def additive_scores(
    query: Float[Array, "batch queries dim"],
    key: Float[Array, "batch length dim"],
    v: Float[Array, "dim"],
) -> Float[Array, "batch queries length"]:
    """Give v·σ(q_i + k_j) of all pairs; with as many queries as keys, of j ≤ i at least.

    One column of queries at a time meets the keys, and again in the gradient: nothing of the size
    queries × length × dim is stored, and what is computed stays in a CPU's cache. Of a square a
    quarter of the queries meets the keys up to its end only, five eighths of all pairs in all.
    """
    queries, length = query.shape[1], key.shape[1]
    size = max(-(-length // 4) if queries == length else queries, 1)
    parts = []
    for start in range(0, queries, size):
        end = min(start + size, length) if queries == length else length
        found = _additive_block(query[:, start : start + size], key[:, :end], v)
        parts.append(jnp.pad(found, ((0, 0), (0, 0), (0, length - end))))
    return jnp.concatenate(parts, axis=1)


def _additive_block(query: Array, key: Array, v: Array) -> Array:
    @partial(jax.checkpoint, prevent_cse=False)
    def of_column(column: Array) -> Array:
        # A product, not a sum of products: XLA sums the last axis one by one on a CPU.
        return jnp.einsum("bkd,d->bk", nn.sigmoid(column[:, None] + key), v)

    return jnp.swapaxes(jax.lax.map(of_column, jnp.swapaxes(query, 0, 1)), 0, 1)


def states_at(
    states: Float[Array, "batch length dim"], queries: Int[Array, "#batch queries"]
) -> Float[Array, "batch queries dim"]:
    """Pick the columns asked for; as many as there are columns means all of them, in order."""
    if queries.shape[1] == states.shape[1]:
        return states
    return jnp.take_along_axis(states, queries[:, :, None], axis=1)
