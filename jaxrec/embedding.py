"""A table of vectors whose rows divide over devices and whose row 0 starts as zero."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

ROW_MULTIPLE = 64
"""Rows of a table are rounded up to a multiple of it; powers of two up to it shard the table."""


def embed(
    num_rows: int, features: int, *, scale: float = 0.02, dtype: Any = jnp.float32
) -> nn.Embed:
    """Make an `nn.Embed` for rows 0..num_rows - 1, drawn from N(0, scale²).

    Row 0 (padding, or the unknown user) starts as zero. It stays zero, since masked positions and
    examples of weight 0 give no gradient: no mask is paid for at each lookup.
    """
    rows = -(-num_rows // ROW_MULTIPLE) * ROW_MULTIPLE
    return nn.Embed(rows, features, embedding_init=_zero_row(scale), dtype=dtype)


def _zero_row(scale: float) -> Callable[..., Array]:
    def init(
        key: Array, shape: tuple[int, ...], dtype: Any = jnp.float32
    ) -> Float[Array, "rows features"]:
        table = scale * jax.random.normal(key, shape, dtype)
        return jnp.where(jnp.arange(shape[0])[:, None] > 0, table, 0)

    return init
