"""Gaussians of independent elements, told by their mean and the logarithm of their variance."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


def sample(
    mean: Float[Array, "*batch dim"], log_variance: Float[Array, "*batch dim"], key: Key[Array, ""]
) -> Float[Array, "*batch dim"]:
    """Draw once, with a gradient to both (the reparameterisation trick)."""
    return mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)


def divergence(
    mean: Float[Array, "*batch dim"], log_variance: Float[Array, "*batch dim"]
) -> Float[Array, "*batch"]:
    """Take the Kullback-Leibler divergence from N(0, 1), summed over the elements."""
    return (jnp.exp(log_variance) + jnp.square(mean) - 1 - log_variance).sum(-1) / 2


def log_density(
    x: Float[Array, "*batch dim"],
    mean: Float[Array, "*#batch #dim"],
    log_variance: Float[Array, "*#batch #dim"],
) -> Float[Array, "*batch dim"]:
    """Give the logarithm of each element's density."""
    scaled = jnp.square(x - mean) * jnp.exp(-log_variance)
    return -(jnp.log(2 * jnp.pi) + log_variance + scaled) / 2


def log_mixture(
    parts: tuple[Float[Array, "*batch dim"], ...], weights: tuple[float, ...]
) -> Float[Array, "*batch dim"]:
    """Give each element's log density under a mixture, from those under its parts."""
    logits = [part + jnp.log(weight) for part, weight in zip(parts, weights, strict=True)]
    return jax.nn.logsumexp(jnp.stack(logits, -1), axis=-1)
