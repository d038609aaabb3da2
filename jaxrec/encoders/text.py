"""Texts as vectors: convolutions over tokens.

Kim, "Convolutional Neural Networks for Sentence Classification" (EMNLP 2014), section 2.
"""

from collections.abc import Sequence

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Bool, Float

from jaxrec.encoders.cnn import causal_conv


class TextCNN(nn.Module):
    """Filters over 3, 4 and 5 neighbouring tokens; of each, its largest answer along the text.

    A filter ends at every token, and before the first one it sees zeros, so that no text is too
    short for it. Padding, in front or behind, changes nothing; a text without tokens is zero.
    """

    num_filters: int
    """Filters of each width."""
    widths: Sequence[int] = (3, 4, 5)

    @nn.compact
    def __call__(
        self, x: Float[Array, "*n tokens dim"], where: Bool[Array, "*n tokens"]
    ) -> Float[Array, "*n out"]:
        *leading, tokens, dim = x.shape
        where = where.reshape(-1, tokens)
        x = jnp.where(where[..., None], x.reshape(-1, tokens, dim), 0)
        found = []
        for width in self.widths:
            shape = (width, dim, self.num_filters)
            initial = nn.initializers.variance_scaling(
                1, "fan_in", "truncated_normal", in_axis=(0, 1)
            )
            kernel = self.param(f"kernel_{width}", initial, shape)
            bias = self.param(f"bias_{width}", nn.initializers.zeros, shape[-1:])
            answer = causal_conv(x, kernel, where.astype(jnp.int32)) + bias[None, None]
            found.append(jnp.where(where[..., None], nn.relu(answer), 0).max(1))
        return jnp.concatenate(found, -1).reshape(*leading, -1)
