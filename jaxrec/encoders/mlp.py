"""A multi-layer perceptron."""

from collections.abc import Callable, Sequence

from flax import linen as nn
from jaxtyping import Array, Float


def flat(layer: nn.Module, x: Float[Array, "*batch dim"]) -> Float[Array, "*batch out"]:
    """Apply a layer over one batch axis: gradients of two take twice the time on a CPU."""
    found = layer(x.reshape(-1, x.shape[-1]))
    return found.reshape(*x.shape[:-1], found.shape[-1])


class MLP(nn.Module):
    """Dense layers with an activation (and dropout) after each but the last, which is linear."""

    dims: Sequence[int]
    dropout: float = 0.0
    activation: Callable[[Array], Array] = nn.relu

    @nn.compact
    def __call__(
        self, x: Float[Array, "*batch dim"], train: bool = False
    ) -> Float[Array, "*batch out"]:
        for dim in self.dims[:-1]:
            x = self.activation(flat(nn.Dense(dim), x))
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return flat(nn.Dense(self.dims[-1]), x)
