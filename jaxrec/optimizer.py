"""Optimizers as values: what to step with, how the step size moves, clipping, weight decay."""

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array


@dataclass(frozen=True)
class OptimizerConfig:
    """What all optimizers share; use one of the classes below."""

    learning_rate: float = 1e-3
    """The step size at its highest, after the warm-up."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the step size moves after the warm-up, until the last step."""
    end_fraction: float = 0.0
    """The step size at the last step, as a fraction of learning_rate (linear and cosine only)."""
    warmup_steps: int = 0
    """Steps over which the step size first rises from 0, linearly."""
    clip_norm: float = 0.0
    """Gradients of a larger global norm are scaled down to it; 0 leaves them."""
    weight_decay: float = 0.0
    """Decoupled decay (AdamW) of tables and kernels, not biases and norms; times the step size."""
    tables: Literal["whole", "rows"] = "whole"
    """What a step updates of an embedding table: all of it, or the rows that the step looks up. By
    rows a step's time and memory do not grow with the table; Sgd and Adagrad do the same either
    way, momentum, Adam and weight decay let the rows rest that are not looked up (lazy Adam)."""

    def build(self, num_steps: int) -> optax.GradientTransformation:
        """Make the transformation for a run of num_steps steps."""
        return optax.chain(
            optax.clip_by_global_norm(self.clip_norm) if self.clip_norm > 0 else optax.identity(),
            self.direction(),
            optax.add_decayed_weights(self.weight_decay, mask=_matrices)
            if self.weight_decay > 0
            else optax.identity(),
            optax.scale_by_learning_rate(self.step_size(num_steps)),
        )

    def step_size(self, num_steps: int) -> optax.Schedule:
        """Make the function from a step to its step size."""
        steps = max(num_steps - self.warmup_steps, 1)
        end = self.end_fraction
        after = {
            "constant": optax.constant_schedule(self.learning_rate),
            "linear": optax.linear_schedule(self.learning_rate, end * self.learning_rate, steps),
            "cosine": optax.cosine_decay_schedule(self.learning_rate, steps, alpha=end),
        }[self.schedule]
        if not self.warmup_steps:
            return after
        # The first step has number 0: start above 0, so that it is not lost.
        rise = self.learning_rate / (self.warmup_steps + 1)
        warmup = optax.linear_schedule(rise, self.learning_rate, self.warmup_steps)
        return optax.join_schedules([warmup, after], [self.warmup_steps])

    def direction(self) -> optax.GradientTransformation:
        """Make what turns gradients into steps of size 1."""
        raise NotImplementedError("use Adam, Sgd or Adagrad")


@dataclass(frozen=True)
class Adam(OptimizerConfig):
    """Adam (Kingma & Ba 2015); with weight_decay, AdamW (Loshchilov & Hutter 2019)."""

    b1: float = 0.9
    """Decay of the mean of the gradients."""
    b2: float = 0.999
    """Decay of the mean of their squares."""
    eps: float = 1e-8
    """Added to the root of the mean square."""

    def direction(self) -> optax.GradientTransformation:
        return optax.scale_by_adam(self.b1, self.b2, self.eps)


@dataclass(frozen=True)
class Sgd(OptimizerConfig):
    """Stochastic gradient descent."""

    momentum: float = 0.0
    """Decay of the sum of past gradients; 0 follows the gradient alone."""
    nesterov: bool = False
    """Whether the momentum looks one step ahead."""

    def direction(self) -> optax.GradientTransformation:
        if not self.momentum:
            return optax.identity()
        return optax.trace(self.momentum, self.nesterov)


@dataclass(frozen=True)
class Adagrad(OptimizerConfig):
    """Adagrad (Duchi et al. 2011): steps shrink where gradients came often (popular items)."""

    initial_accumulator: float = 0.1
    """What the sums of squares start from."""
    eps: float = 1e-7
    """Added to the sums of squares before the root."""
    row_wise: bool = False
    """Keep one sum for each row of a matrix, of the mean square over the row: a table's state then
    takes 1 / embed_dim of its own size."""

    def direction(self) -> optax.GradientTransformation:
        if self.row_wise:
            return scale_by_row_wise_rss(self.initial_accumulator, self.eps)
        return optax.scale_by_rss(self.initial_accumulator, self.eps)


def scale_by_row_wise_rss(initial: float, eps: float) -> optax.GradientTransformation:
    """Divide each row by the root of the sum of its past mean squares; a vector as Adagrad does.

    Mudigere et al., "Software-Hardware Co-design for Fast and Scalable Training of Deep Learning
    Recommendation Models" (ISCA 2022), section 4.1.4.
    """

    def square(x: Array) -> Array:
        return jnp.square(x).mean(-1, keepdims=True) if x.ndim > 1 else jnp.square(x)

    def init(params: Any) -> Any:
        return jax.tree.map(lambda x: jnp.full_like(square(x), initial), params)

    def update(grads: Any, sums: Any, params: Any = None) -> tuple[Any, Any]:
        sums = jax.tree.map(lambda total, x: total + square(x), sums, grads)
        scaled = jax.tree.map(lambda x, total: x * jax.lax.rsqrt(total + eps), grads, sums)
        return scaled, sums

    return optax.GradientTransformation(init, update)


def _matrices(params: Any) -> Any:
    return jax.tree.map(lambda x: x.ndim > 1, params)
