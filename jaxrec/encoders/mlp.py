"""A multi-layer perceptron."""

from collections.abc import Callable, Sequence

from flax import linen as nn
from jaxtyping import Array, Float


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
            x = self.activation(nn.Dense(dim)(x))
            x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.dims[-1])(x)
