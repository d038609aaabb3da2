"""Implicit alternating least squares: factors under which what was met scores 1, all else near 0.

Hu, Koren & Volinsky, "Collaborative Filtering for Implicit Feedback Datasets" (ICDM 2008), with the
loss and the frequency-scaled penalty of Rendle et al., "Revisiting the Performance of iALS on Item
Recommendation Benchmarks" (RecSys 2022):

    sum over met pairs of c (x_u y_i - 1)²  +  a0 sum over all pairs of (x_u y_i)²
        +  l2 sum over users of (|u| + a0 items)^nu |x_u|²  +  the same of items

c is 1, or grows with the events' values. The users' and the items' factors are solved for in turn.
"""

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, no_type_check

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int
from scipy import sparse

from jaxrec.baselines.item_weights import known_items
from jaxrec.baselines.least_squares import ConjugateGradient, Solver
from jaxrec.baselines.ragged import Layout, Rectangle
from jaxrec.baselines.sparse_rows import last_of_kind
from jaxrec.data.interactions import Interactions
from jaxrec.errors import InputError
from jaxrec.sharding import make_mesh
from jaxrec.typing import Batch

CHUNK_BYTES = 2**21
"""Of the vectors that one step of a sweep gathers: they stay in a core's cache while it solves."""
USERS_AT_ONCE = 16
"""Whose histories are folded in together."""
FOLD_IN = ConjugateGradient(steps=100, tolerance=1e-6)
ROWS = PartitionSpec("data")
CHUNK_ROWS = PartitionSpec(None, "data")


@struct.dataclass
@no_type_check
class Penalty:
    """What a row's factors pay: a0 on the Gram matrix, l2 (count + base)^power on their square."""

    unobserved: Float[Array, ""]
    l2: Float[Array, ""]
    power: Float[Array, ""]
    total: Float[Array, ""]

    def diagonals(
        self, spectrum: Float[Array, "dim"], counts: Float[Array, "rows"]
    ) -> tuple[Float[Array, "rows dim"], Float[Array, "rows dim"]]:
        """Give each row's diagonal, without its entries, and with as many drawn at random."""
        l2 = self.l2 * (counts + self.unobserved * self.total) ** self.power
        shared = self.unobserved * spectrum[None, :] + l2[:, None]
        return shared, shared + spectrum[None, :] * (counts / self.total)[:, None]


@struct.dataclass
@no_type_check
class IALSState:
    """The factors, rotated so that the items' Gram matrix is diagonal: `spectrum`.

    weights: mean confidence of each item's events in training, 1 for items without; row 0 has 0.
    """

    user_factors: Float[Array, "users_plus_1 dim"]
    item_factors: Float[Array, "items_plus_1 dim"]
    spectrum: Float[Array, "dim"]
    weights: Float[Array, "items_plus_1"]
    penalty: Penalty

    def scores(
        self, batch: Batch, items: Int[Array, "batch n"] | None = None
    ) -> Float[Array, "batch n"]:
        """Score each user's candidates, or all items, by the factors solved for the history."""
        users = self.fold_in(batch.history)
        if items is None:
            return jnp.matmul(users, self.item_factors.T, precision="highest")
        return jnp.einsum("bk,bnk->bn", users, self.item_factors[items], precision="highest")

    def fold_in(self, history: Int[Array, "batch length"]) -> Float[Array, "batch dim"]:
        """Solve for users who know these items, to 1e-6; an item known twice counts once.

        Users are taken in the order of their lengths, so that few are padded to the longest.
        """
        batch, length = history.shape
        if batch * length == 0:
            return jnp.zeros((batch, self.item_factors.shape[1]), jnp.float32)
        known = last_of_kind(history, self.item_factors.shape[0] - 1)
        history = jnp.where(known, history, 0)
        needed = jnp.max(jnp.where(known, length - jnp.arange(length)[None, :], 0), axis=1)
        order = jnp.argsort(needed)
        order = jnp.pad(order, (-batch % USERS_AT_ONCE, 0), constant_values=order[0])
        order = order.reshape(-1, USERS_AT_ONCE)
        lengths = [length]
        while lengths[-1] > 16:
            lengths.append(-(-lengths[-1] // 2))
        lengths.reverse()

        def solve(length: int, items: Int[Array, "rows length"]) -> Float[Array, "rows dim"]:
            items = items[:, items.shape[1] - length :]
            counts = jnp.sum(items > 0, axis=1).astype(jnp.float32)
            shared, likely = self.penalty.diagonals(self.spectrum, counts)
            start = jnp.zeros_like(shared)
            return FOLD_IN(self.item_factors[items], self.weights[items], shared, likely, start)

        def some(rows: Int[Array, "rows"]) -> Float[Array, "rows dim"]:
            enough = jnp.searchsorted(jnp.asarray(lengths), jnp.max(needed[rows]))
            branches = [functools.partial(solve, length) for length in lengths]
            return jax.lax.switch(enough, branches, history[rows])

        solved = jax.lax.map(some, order).reshape(order.size, -1)
        return jnp.zeros((batch, solved.shape[1])).at[order.reshape(-1)].set(solved)


@dataclass(frozen=True)
class IALSConfig:
    """The loss, and how it is minimised."""

    embed_dim: int = 64
    """Dimensions of the factors."""
    l2: float = 0.003
    """Penalty on the squared factors of a row, for each of its (count + a0 others)."""
    l2_power: float = 1.0
    """Power nu of that number; 0 penalises all rows alike."""
    unobserved_weight: float = 0.1
    """Weight a0 of a pair that was not met, against 1 of one that was."""
    value_weight: float = 0.0
    """A met pair's confidence is 1 + this × the sum of its events' values. Folding a history in
    takes each item's mean confidence, as a history has no values."""
    epochs: int = 16
    """Sweeps, each of which solves for all users, then for all items."""
    solver: Any = field(default_factory=ConjugateGradient)
    """A solver of jaxrec.baselines.least_squares."""
    init_scale: float = 0.1
    """Standard deviation × sqrt(embed_dim) of the items' first factors; the users' are 0."""
    seed: int = 0
    """Seed of the start."""
    history_length: ClassVar[None] = None
    state: ClassVar[type] = IALSState

    def __post_init__(self) -> None:
        for name in ("embed_dim", "epochs"):
            if getattr(self, name) < 1:
                raise InputError(f"model.{name} is {getattr(self, name)}; give 1 or more")
        for name in ("l2", "unobserved_weight", "init_scale"):
            if not getattr(self, name) > 0:
                raise InputError(f"model.{name} is {getattr(self, name)}; give a positive number")

    def fit(self, train: Interactions, devices: Sequence[jax.Device] | None = None) -> IALSState:
        """Solve in turn on the devices (None: all), each of which holds a share of both tables."""
        known = known_items(train).astype(np.float32)
        if self.value_weight:
            events = train.value, (train.user, train.item)
            known += self.value_weight * sparse.csr_array(events, known.shape, dtype=np.float32)
            if known.data.min() <= 0:
                raise InputError(
                    f"model.value_weight {self.value_weight} gives a pair the confidence "
                    f"{known.data.min():g}, which must be above 0; bring it nearer to 0, or leave "
                    "such events out with data.cleaning.min_value"
                )
        tables = Tables.build(known, self, make_mesh(devices=devices))
        for _ in range(self.epochs):
            tables = tables.sweep(self.solver)
        state = tables.state(known)
        if not jnp.isfinite(state.spectrum).all():
            raise InputError(
                "the factors are not finite; lower model.init_scale or model.value_weight"
            )
        return state


@dataclass(frozen=True, eq=False)
class Tables:
    """Both tables of factors while they are fitted, each device holding a share of their rows.

    The layouts are where the rows stand, the rectangles their entries.
    """

    users: Float[Array, "user_places dim"]
    items: Float[Array, "item_places dim"]
    of_users: list[Rectangle]
    of_items: list[Rectangle]
    users_pay: Penalty
    items_pay: Penalty
    layouts: tuple[Layout, Layout]
    mesh: Mesh

    @staticmethod
    def build(known: sparse.csr_array, config: IALSConfig, mesh: Mesh) -> "Tables":
        """Lay the entries out and draw the items' factors."""
        entries = CHUNK_BYTES // (4 * config.embed_dim)
        both = known, known.T.tocsr()
        users, items = (Layout.build(np.diff(x.indptr), mesh.size, entries) for x in both)
        rectangles = users.fill(both[0], items), items.fill(both[1], users)
        of_users, of_items = jax.device_put(rectangles, NamedSharding(mesh, CHUNK_ROWS))
        # Row 0 of a table is no user and no item.
        unobserved, l2, power = (
            jnp.float32(x) for x in (config.unobserved_weight, config.l2, config.l2_power)
        )
        users_pay, items_pay = (
            Penalty(unobserved, l2, power, jnp.float32(others - 1))
            for others in reversed(known.shape)
        )
        random = np.random.default_rng(config.seed)
        drawn = random.standard_normal((known.shape[1], config.embed_dim), np.float32)
        drawn *= config.init_scale / config.embed_dim**0.5 * (np.diff(both[1].indptr) > 0)[:, None]
        rows = NamedSharding(mesh, ROWS)
        factors = jax.device_put(drawn[items.rows], rows)
        nobody = jnp.zeros((len(users.rows), config.embed_dim), jnp.float32, device=rows)
        layouts = users, items
        return Tables(nobody, factors, of_users, of_items, users_pay, items_pay, layouts, mesh)

    def sweep(self, solver: Solver) -> "Tables":
        """Solve for the users, then for the items."""
        given = self.of_users, self.of_items, self.users_pay, self.items_pay
        users, items = _sweep(solver, self.mesh, self.users, self.items, *given)
        return dataclasses.replace(self, users=users, items=items)

    def state(self, known: sparse.csr_array) -> IALSState:
        """Gather the factors in the order of their rows."""
        met = np.bincount(known.indices, minlength=known.shape[1])
        total = np.bincount(known.indices, known.data, known.shape[1])
        weights = np.where(met > 0, total / np.maximum(met, 1), 1.0).astype(np.float32)
        weights[0] = 0

        places = [layout.place.astype(np.int32) for layout in self.layouts]
        factors = _in_order(self.mesh, self.users, self.items, *places)
        # The state answers on one device, whatever devices it was fitted on.
        of_users, of_items, spectrum = (x.addressable_data(0) for x in factors)
        return IALSState(of_users, of_items, spectrum, jnp.asarray(weights), self.users_pay)


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=(2, 3))
def _sweep(
    solver: Solver,
    mesh: Mesh,
    users: Float[Array, "n dim"],
    items: Float[Array, "m dim"],
    of_users: list[Rectangle],
    of_items: list[Rectangle],
    users_pay: Penalty,
    items_pay: Penalty,
) -> tuple[Float[Array, "n dim"], Float[Array, "m dim"]]:
    none = PartitionSpec()
    half = jax.shard_map(
        functools.partial(_half_sweep, solver),
        mesh=mesh,
        in_specs=(ROWS, ROWS, CHUNK_ROWS, none),
        out_specs=(ROWS, ROWS),
        check_vma=False,
    )
    users, items = half(users, items, of_users, users_pay)
    items, users = half(items, users, of_items, items_pay)
    return users, items


def _half_sweep(
    solver: Solver,
    own: Float[Array, "n dim"],
    fixed: Float[Array, "m dim"],
    rectangles: list[Rectangle],
    pay: Penalty,
) -> tuple[Float[Array, "n dim"], Float[Array, "m dim"]]:
    """Solve for this device's rows of one table, the other being fixed; both are rotated."""
    spectrum, basis = _eigenbasis(jax.lax.psum(_gram(fixed), "data"))
    own, fixed = _rotate(own, basis), _rotate(fixed, basis)
    others = jax.lax.all_gather(fixed, "data", tiled=True)

    def solve(_: None, chunk: tuple[Rectangle, Float[Array, "rows dim"]]) -> Any:
        (columns, weights, counts), start = chunk
        vectors = others.at[columns].get(mode="promise_in_bounds")
        return None, solver(vectors, weights, *pay.diagonals(spectrum, counts), start)

    solved, at = [], 0
    for rectangle in rectangles:
        chunks, rows = rectangle.counts.shape
        start = own[at : at + chunks * rows].reshape(chunks, rows, -1)
        at += chunks * rows
        solved.append(jax.lax.scan(solve, None, (rectangle, start))[1].reshape(chunks * rows, -1))
    return jnp.concatenate(solved), fixed


@functools.partial(jax.jit, static_argnums=0)
def _in_order(
    mesh: Mesh,
    users: Float[Array, "n dim"],
    items: Float[Array, "m dim"],
    of_user: Int[Array, "a"],
    of_item: Int[Array, "b"],
) -> tuple[Float[Array, "a dim"], Float[Array, "b dim"], Float[Array, "dim"]]:
    """Give every device all rows by their number, rotated, and the items' spectrum."""
    spectrum, basis = _eigenbasis(_gram(items))
    found = _rotate(users, basis)[of_user], _rotate(items, basis)[of_item], spectrum
    return jax.lax.with_sharding_constraint(found, NamedSharding(mesh, PartitionSpec()))


def _gram(factors: Float[Array, "n dim"]) -> Float[Array, "dim dim"]:
    return jnp.matmul(factors.T, factors, precision="highest")


def _eigenbasis(
    gram: Float[Array, "dim dim"],
) -> tuple[Float[Array, "dim"], Float[Array, "dim dim"]]:
    spectrum, basis = jnp.linalg.eigh(gram)
    return jnp.maximum(spectrum, 0.0), basis


def _rotate(factors: Float[Array, "n dim"], basis: Float[Array, "dim dim"]) -> Any:
    return jnp.matmul(factors, basis, precision="highest")
