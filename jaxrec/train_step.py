"""Many steps in one compiled call: batch, negatives, gradient and update, all on the device."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from jaxrec.embedding import (
    RowGrads,
    Shapes,
    lookups,
    put_rows,
    sum_duplicates,
    take_rows,
    value_and_grad,
)
from jaxrec.errors import InputError
from jaxrec.sharding import shard_batch, take_part
from jaxrec.train_state import TrainState
from jaxrec.typing import Batch

Metrics = dict[str, Float[Array, ""]]
Claims = dict[str, Int[Array, "rows"]]
TrainSteps = Callable[[TrainState, PyTree, Int[Array, ""]], tuple[TrainState, Metrics]]


@dataclass(frozen=True)
class TrainConfig:
    """How long to train, and what happens at which step; every cadence is counted in steps."""

    epochs: int = 100
    """Most passes over the training events."""
    steps_per_call: int = 200
    """Most steps in one compiled call; about a second's worth keeps the host out of the way."""
    eval_every: int | None = None
    """Steps between validations and checkpoints; None: an epoch."""
    patience: int | None = 10
    """Validations without a better monitored metric before training stops; None: never."""
    ema_decay: float | None = None
    """Decay, each step, of the moving average of parameters that then predicts; None: none."""
    model_parallel: int = 1
    """Devices that share one copy of the tables; the others divide the batch."""
    data_budget: int | None = None
    """Bytes that training events may take on a device; above it the host sends each call its
    batches. None: half of the device's memory, where it tells."""
    accumulate: int = 1
    """Equal parts that a batch is worked off in, their gradients summed, to spare memory."""

    def __post_init__(self) -> None:
        names = ("epochs", "steps_per_call", "eval_every", "patience", "model_parallel")
        for name in (*names, "accumulate"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"train.{name} is {value}; give a whole number of at least 1.")
        if self.data_budget is not None and self.data_budget < 0:
            raise InputError(f"train.data_budget is {self.data_budget}; give bytes, 0 or more.")
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise InputError(f"train.ema_decay is {self.ema_decay}; give a number between 0 and 1.")


def make_train_steps(
    model: nn.Module,
    objective: Callable,
    tx: optax.GradientTransformation,
    batch_at: Callable,
    key: PRNGKeyArray,
    mesh: jax.sharding.Mesh,
    ema_decay: float | None = None,
    accumulate: int = 1,
    by_rows: bool = False,
) -> TrainSteps:
    """Compile `steps(state, data, n)`: n steps from state.step on, the state donated.

    The objective finds the step in its variables, under "progress". Beside numbers, its metrics may
    hold "collections", which replace those of the state, and "resting": by the name of a submodule
    or parameter, whether the step leaves it and its moments as they are.
    n is a traced number, so that all calls share one compilation. The metrics are means over the n
    steps, and `nonfinite_step`: the first step whose loss or gradient was not finite, or -1.
    by_rows: update tables that are only looked up by their rows, see `_update`.
    """

    loss_of = partial(_loss_of, model, objective, mesh)

    def batch_of(state: TrainState, data: PyTree) -> tuple[Batch, PRNGKeyArray]:
        with jax.named_scope("batch"):  # the scopes name parts of a profile
            return batch_at(data, state.step), jax.random.fold_in(key, state.step)

    def found_in(state: TrainState, data: PyTree) -> Shapes:
        batch, step_key = batch_of(state, data)
        part = take_part(batch, 0, accumulate)
        return lookups(loss_of(state, part, step_key), state.params)

    def step(
        state: TrainState, data: PyTree, claims: Claims, shapes: Shapes
    ) -> tuple[TrainState, Metrics, Claims]:
        batch, step_key = batch_of(state, data)
        with jax.named_scope("objective"):
            (loss, metrics), grads, rows = _gradients(
                loss_of, state, batch, step_key, shapes, accumulate
            )
        metrics = dict(metrics)
        collections = {**state.collections, **metrics.pop("collections", {})}
        resting = _by_path(metrics.pop("resting", {}), state.params)
        with jax.named_scope("optimizer"):
            params, opt_state, norm, claims = _update(tx, state, grads, rows, claims, resting)
        finite = jnp.isfinite(loss) & jnp.isfinite(norm)
        state = dataclasses.replace(
            state,
            step=state.step + 1,
            params=params,
            opt_state=opt_state,
            collections=collections,
            ema=None
            if state.ema is None
            else optax.incremental_update(params, state.ema, 1 - (ema_decay or 0.0)),
        )
        return state, {"loss": loss, "grad_norm": norm, **metrics, "finite": finite}, claims

    def steps(state: TrainState, data: PyTree, n: Int[Array, ""]) -> tuple[TrainState, Metrics]:
        start, shapes = state.step, found_in(state, data) if by_rows else {}
        tables = flatten_dict(state.params, sep="/")
        claims = {path: jnp.zeros(tables[path].shape[0], jnp.int32) for path in shapes}
        once = jax.jit(partial(step, shapes=shapes), inline=True)  # one trace for names and loop
        _, names, _ = jax.eval_shape(once, state, data, claims)
        zeros = {name: jnp.zeros((), jnp.float32) for name in names if name != "finite"}

        def body(_: Any, carry: tuple) -> tuple:
            state, claims, sums, bad = carry
            here = state.step
            state, metrics, claims = once(state, data, claims)
            bad = jnp.where((bad < 0) & ~metrics.pop("finite"), here, bad)
            sums = {k: sums[k] + metrics[k].astype(jnp.float32) for k in sums}
            return state, claims, sums, bad

        state, _, sums, bad = jax.lax.fori_loop(0, n, body, (state, claims, zeros, jnp.int32(-1)))
        count = jnp.maximum(state.step - start, 1).astype(jnp.float32)
        return state, {**{k: v / count for k, v in sums.items()}, "nonfinite_step": bad}

    return jax.jit(steps, donate_argnums=0)


def _loss_of(
    model: nn.Module,
    objective: Callable,
    mesh: jax.sharding.Mesh,
    state: TrainState,
    batch: Batch,
    key: PRNGKeyArray,
) -> Callable:
    """Make the function of parameters; what users and items share is computed once in it."""
    batch = shard_batch(batch, mesh)
    prepare = getattr(model, "precompute", lambda variables: variables)
    others = {**state.collections, "progress": {"step": state.step}}
    return lambda params: objective(model.apply, prepare({"params": params, **others}), batch, key)


def _update(
    tx: optax.GradientTransformation,
    state: TrainState,
    grads: dict[str, Array],
    rows: dict[str, RowGrads],
    claims: Claims,
    resting: dict[str, Array],
) -> tuple[PyTree, PyTree, Array, Claims]:
    """Update the parameters; of a table with gradients of rows, these rows and their moments alone.

    The rows stand before the optimizer as if they were the table, duplicates summed. So SGD and
    Adagrad do to the table exactly what they do to it whole. Momentum, Adam and weight decay become
    lazy: the moments of a row rest, and it does not decay, in steps that do not look it up, while
    Adam's bias correction counts all steps.
    """
    grads, rows = _without(resting, grads, rows)
    summed = {path: sum_duplicates(found, claims[path]) for path, found in rows.items()}
    claims = {path: claim for path, (_, claim) in summed.items()}
    row = {path: found.row for path, (found, _) in summed.items()}
    grads = grads | {path: found.grad for path, (found, _) in summed.items()}
    flat = flatten_dict(state.params, sep="/")
    of_params = unflatten_dict({path: row.get(path, _WHOLE) for path in flat}, sep="/")
    of_moments = optax.tree.map_params(
        tx, lambda _, row: row, state.opt_state, of_params, transform_non_params=lambda _: _WHOLE
    )
    gradient = unflatten_dict(grads, sep="/")
    params = jax.tree.map(_taken, state.params, of_params)
    updates, moments = tx.update(
        gradient, jax.tree.map(_taken, state.opt_state, of_moments), params
    )
    params = jax.tree.map(_put, state.params, optax.apply_updates(params, updates), of_params)
    moments = jax.tree.map(_put, state.opt_state, moments, of_moments)
    params, moments = _hold(tx, state, params, moments, resting)
    return params, moments, optax.tree.norm(gradient), claims


_WHOLE = "whole"
"""In the place of row numbers: what is updated whole."""


def _taken(old: Array, row: Any) -> Array:
    return old if row is _WHOLE else take_rows(old, row)


def _put(old: Array, new: Array, row: Any) -> Array:
    return new if row is _WHOLE else put_rows(old, row, new)


def _by_path(resting: dict[str, Array], params: PyTree) -> dict[str, Array]:
    """Say of each parameter in a submodule that may rest whether it does."""
    paths = flatten_dict(params, sep="/")
    names = {path: path.split("/")[0] for path in paths}
    return {path: resting[name] for path, name in names.items() if name in resting}


def _without(
    resting: dict[str, Array], grads: dict[str, Array], rows: dict[str, RowGrads]
) -> tuple[dict[str, Array], dict[str, RowGrads]]:
    """Set the gradients of what rests to zero, so that the norm of all is that of the others."""

    def moved(path: str, grad: Array) -> Array:
        return jnp.where(resting[path], 0, grad) if path in resting else grad

    grads = {path: moved(path, grad) for path, grad in grads.items()}
    rows = {path: found._replace(grad=moved(path, found.grad)) for path, found in rows.items()}
    return grads, rows


def _hold(
    tx: optax.GradientTransformation,
    state: TrainState,
    params: PyTree,
    opt_state: PyTree,
    resting: dict[str, Array],
) -> tuple[PyTree, PyTree]:
    """Give what rests its old values, and its moments theirs: else momentum would move it on."""
    if not resting:
        return params, opt_state
    flat = flatten_dict(params, sep="/")
    of_params = unflatten_dict({path: resting.get(path, False) for path in flat}, sep="/")
    of_moments = optax.tree.map_params(
        tx, lambda _, rests: rests, opt_state, of_params, transform_non_params=lambda _: False
    )

    def held(old: Array, new: Array, rests: Any) -> Array:
        return new if rests is False else jnp.where(rests, old, new)

    return (
        jax.tree.map(held, state.params, params, of_params),
        jax.tree.map(held, state.opt_state, opt_state, of_moments),
    )


def _gradients(
    loss_of: Callable,
    state: TrainState,
    batch: Batch,
    key: PRNGKeyArray,
    shapes: Shapes,
    parts: int,
) -> tuple[tuple[Array, Any], dict[str, Array], dict[str, RowGrads]]:
    """Do what `value_and_grad` does, for a batch by its parts; each weighs as its queries do.

    So a mean over targets comes out as that of the whole batch. Negatives are drawn for each part
    anew, and in-batch ones are those of the part.
    """
    if parts == 1:
        return value_and_grad(loss_of(state, batch, key), state.params, shapes)
    total = jnp.maximum(batch.weights.sum(), 1e-9)

    def one(part: Array) -> Any:
        own = take_part(batch, part, parts)
        share = own.weights.sum() / total
        loss = loss_of(state, own, jax.random.fold_in(key, part))
        (value, metrics), grads, rows = value_and_grad(loss, state.params, shapes)
        last = {name: metrics.pop(name) for name in ("collections", "resting") if name in metrics}
        rows = {path: found._replace(grad=share * found.grad) for path, found in rows.items()}
        summed = jax.tree.map(lambda x: share * x, (value, metrics, grads))
        return summed, last, rows

    def add(sums: PyTree, part: Array) -> tuple[PyTree, Any]:
        summed, last, rows = one(part)
        return jax.tree.map(jnp.add, sums, summed), (last, rows)

    zeros = jax.tree.map(jnp.zeros_like, jax.eval_shape(one, jnp.int32(0))[0])
    (value, metrics, grads), (last, rows) = jax.lax.scan(add, zeros, jnp.arange(parts))
    metrics = {**metrics, **jax.tree.map(lambda x: x[-1], last)}
    rows = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rows)
    return (value, metrics), grads, rows
