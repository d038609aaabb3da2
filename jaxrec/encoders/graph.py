"""Propagation over the graph of users and items, whose edges are the training events.

A node's neighbours are added up in blocks of eight, the blocks of nodes with more of them in blocks
of eight again, and so on: gathers and sums of fixed shapes, without the scatter that XLA runs one
row at a time on a CPU. The graph is symmetric, so its product is its own gradient.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from jaxrec.typing import CSR

WIDTH = 8
"""Neighbours, or blocks of them, that are added up at a time."""


# NOTE: constants of the compiled program, two numbers for each end of an edge.
@dataclass(frozen=True, eq=False)
class Graph:
    """Users, then items, as nodes; node 0 is the unknown user and has no edges.

    levels: blocks of nodes, then blocks of blocks; block 0 of each level adds nothing up.
    edges:  of each place in the first level, the number of its edge.
    done:   of each level, how many of its blocks, from block 1 on, are a node's whole sum.
    place:  of each node, where it stands in block 0 of the first level and all that are done.
    ends:   of each edge, its two nodes.
    """

    levels: tuple[np.ndarray, ...]
    edges: np.ndarray
    done: tuple[int, ...]
    place: np.ndarray
    ends: np.ndarray

    @staticmethod
    def build(positives: CSR, num_users: int, num_items: int) -> "Graph":
        """Lay out the edges of users, rows of `positives`, and items, which stand behind them.

        num_users, num_items: rows of the two tables; what has no events has no edges.
        """
        indptr, item = np.asarray(positives.indptr), np.asarray(positives.indices)
        user = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
        ends = np.stack([user, item + num_users]).astype(np.int32)
        node, neighbour = ends.reshape(-1), ends[::-1].reshape(-1)
        order = np.argsort(node, kind="stable")
        counts = np.bincount(node, minlength=num_users + num_items)
        levels, done, place = _blocks(counts, neighbour[order])
        edges = np.zeros(levels[0].shape, np.int32)
        edges[levels[0] > 0] = np.tile(np.arange(len(user), dtype=np.int32), 2)[order][
            _rank_of_blocks(counts)
        ]
        return Graph(levels, edges, done, place, ends)


def _blocks(
    counts: np.ndarray, children: np.ndarray
) -> tuple[tuple[np.ndarray, ...], tuple[int, ...], np.ndarray]:
    """Cut each node's children into blocks, and these into blocks of blocks, until it has one.

    At every level, nodes with a single block stand first.
    """
    place = np.zeros(len(counts), np.int32)
    levels: list[np.ndarray] = []
    done: list[int] = []
    nodes = np.flatnonzero(counts)
    starts, counts = (np.cumsum(counts) - counts)[nodes], counts[nodes]
    finished = 0
    while len(nodes) or not levels:
        order = np.argsort(counts > WIDTH, kind="stable")
        nodes, starts, counts = nodes[order], starts[order], counts[order]
        number = -(-counts // WIDTH)
        first = 1 + np.cumsum(number) - number
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        level = np.zeros((1 + number.sum(), WIDTH), np.int32)
        level.reshape(-1)[np.repeat(first * WIDTH, counts) + within] = children[
            np.repeat(starts, counts) + within
        ]
        levels.append(level)
        whole = int((number == 1).sum())
        place[nodes[:whole]] = 1 + finished + np.arange(whole)
        finished += whole
        done.append(whole)
        nodes, starts, counts = nodes[whole:], first[whole:], number[whole:]
        children = np.arange(len(level), dtype=np.int32)
    return tuple(levels), tuple(done), place


def _rank_of_blocks(counts: np.ndarray) -> np.ndarray:
    """Number the children in the order in which the first level of `_blocks` has them."""
    nodes = np.flatnonzero(counts)
    nodes = nodes[np.argsort(counts[nodes] > WIDTH, kind="stable")]
    starts, counts = (np.cumsum(counts) - counts)[nodes], counts[nodes]
    return np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def neighbour_sum(
    graph: Graph, x: Float[Array, "nodes dim"], kept: Bool[Array, "edges"] | None
) -> Float[Array, "nodes dim"]:
    """Add up the vectors of each node's neighbours over the edges that are kept (None: all).

    Row 0 of x must be zero. The product is linear in x; `kept` has no gradient.
    """
    level = jnp.asarray(graph.levels[0])
    if kept is not None:
        level = jnp.where(kept[graph.edges], level, 0)
    found = _add_up(x, level)
    sums = [found[: graph.done[0] + 1]]
    for blocks, done in zip(graph.levels[1:], graph.done[1:], strict=True):
        found = _add_up(found, jnp.asarray(blocks))
        sums.append(found[1 : done + 1])
    return jnp.take(jnp.concatenate(sums), graph.place, axis=0)


def _add_up(x: Float[Array, "n dim"], blocks: Int[Array, "blocks width"]) -> Array:
    """Sum the rows of each block, one place of all blocks at a time.

    Unrolled, or as a gather of all and its sum, it takes four to ten times as long on a CPU: XLA
    then makes the sums of a level anew for each use in the next.
    """
    columns = blocks.T

    def add(place: Array, total: Array) -> Array:
        return total + jnp.take(x, columns[place], axis=0, mode="clip")

    start = jnp.zeros((blocks.shape[0], x.shape[1]), x.dtype)
    return jax.lax.fori_loop(0, WIDTH, add, start)


def _forward(
    graph: Graph, x: Float[Array, "nodes dim"], kept: Bool[Array, "edges"] | None
) -> tuple[Array, Array | None]:
    return neighbour_sum(graph, x, kept), kept


def _backward(graph: Graph, kept: Array | None, upstream: Array) -> tuple[Array, None]:
    # Node 0 has no edges, so what it is told is its own and not to be handed on.
    return neighbour_sum(graph, upstream.at[0].set(0), kept), None


neighbour_sum.defvjp(_forward, _backward)


def propagate(
    graph: Graph,
    x: Float[Array, "nodes dim"],
    num_layers: int,
    *,
    kept: Bool[Array, "edges"] | None = None,
    noise: float = 0.0,
    key: Key[Array, ""] | None = None,
) -> Float[Array, "nodes dim"]:
    """Add up the layers 1 … num_layers of LightGCN, each D^-1/2 A D^-1/2 times the one before.

    He et al., "LightGCN" (SIGIR 2020), eq. 7. kept: edges of a smaller graph, whose own degrees D
    then are (Wu et al., "SGL", SIGIR 2021). noise: each layer of a node moves by a vector of this
    length, drawn in the orthant of its own (Yu et al., "SimGCL", SIGIR 2022, eq. 7), by `key`.
    """
    scale = _scale(graph, len(x), kept)
    layer, total = x, jnp.zeros_like(x)
    for number in range(num_layers):
        layer = scale * neighbour_sum(graph, scale * layer, kept)
        if noise:
            assert key is not None
            drawn = jax.random.uniform(jax.random.fold_in(key, number), layer.shape)
            length = jnp.sqrt(jnp.square(drawn).sum(-1, keepdims=True))
            layer += noise * jnp.sign(layer) * drawn / length
        total += layer
    return total


def _scale(graph: Graph, nodes: int, kept: Bool[Array, "edges"] | None) -> Float[Array, "nodes 1"]:
    """Take D^-1/2, and 0 for a node without edges."""
    if kept is None:
        degree = jnp.asarray(np.bincount(graph.ends.reshape(-1), minlength=nodes), jnp.float32)
    else:
        ends = jnp.asarray(graph.ends)
        degree = jnp.zeros(nodes, jnp.float32)
        degree = degree.at[ends[0]].add(kept, indices_are_sorted=True).at[ends[1]].add(kept)
    return jnp.where(degree > 0, jax.lax.rsqrt(jnp.maximum(degree, 1)), 0)[:, None]
