"""Many steps in one compiled call: batch, negatives, gradient and update, all on the device."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from jaxrec.errors import InputError
from jaxrec.sharding import shard_batch
from jaxrec.train_state import TrainState

Metrics = dict[str, Float[Array, ""]]
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

    def __post_init__(self) -> None:
        for name in ("epochs", "steps_per_call", "eval_every", "patience", "model_parallel"):
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
) -> TrainSteps:
    """Compile `steps(state, data, n)`: n steps from state.step on, the state donated.

    n is a traced number, so that all calls share one compilation. The metrics are means over the n
    steps, and `nonfinite_step`: the first step whose loss or gradient was not finite, or -1.
    """

    def step(state: TrainState, data: PyTree) -> tuple[TrainState, Metrics]:
        with jax.named_scope("batch"):  # the scopes name parts of a profile
            batch = shard_batch(batch_at(data, state.step), mesh)
        step_key = jax.random.fold_in(key, state.step)

        def loss_fn(params: PyTree) -> tuple[Float[Array, ""], dict[str, Any]]:
            return objective(model.apply, {"params": params, **state.collections}, batch, step_key)

        with jax.named_scope("objective"):
            (loss, metrics), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
        metrics = dict(metrics)
        collections = metrics.pop("collections", state.collections)
        with jax.named_scope("optimizer"):
            updates, opt_state = tx.update(grads, state.opt_state, state.params)
            params = optax.apply_updates(state.params, updates)
        norm = optax.tree.norm(grads)
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
        return state, {"loss": loss, "grad_norm": norm, **metrics, "finite": finite}

    def steps(state: TrainState, data: PyTree, n: Int[Array, ""]) -> tuple[TrainState, Metrics]:
        start, (_, shapes) = state.step, jax.eval_shape(step, state, data)
        del shapes["finite"]
        zeros = {name: jnp.zeros((), jnp.float32) for name in shapes}

        def body(_: Any, carry: tuple) -> tuple:
            state, sums, bad = carry
            here = state.step
            state, metrics = step(state, data)
            bad = jnp.where((bad < 0) & ~metrics.pop("finite"), here, bad)
            return state, {k: sums[k] + metrics[k].astype(jnp.float32) for k in sums}, bad

        state, sums, bad = jax.lax.fori_loop(0, n, body, (state, zeros, jnp.int32(-1)))
        count = jnp.maximum(state.step - start, 1).astype(jnp.float32)
        return state, {**{k: v / count for k, v in sums.items()}, "nonfinite_step": bad}

    return jax.jit(steps, donate_argnums=0)
