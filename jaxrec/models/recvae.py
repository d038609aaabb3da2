"""RecVAE: Mult-VAE with a prior that remembers, trained in turns of its encoder and its decoder.

Shenbin et al., "RecVAE: A New Variational Autoencoder for Top-N Recommendations with Implicit
Feedback" (WSDM 2020). The objective is Alternating, the batches are Users.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from jaxrec.encoders.bag import DenseSet
from jaxrec.encoders.gaussian import log_density, log_mixture, sample
from jaxrec.encoders.interests import prefixes
from jaxrec.errors import InputError
from jaxrec.models.autoencoder import Autoencoder, check, with_one
from jaxrec.typing import Batch, Spec


@dataclass(frozen=True)
class RecVAEConfig:
    """The sizes of a RecVAE, and its prior."""

    embed_dim: int = 200
    """Width of the Gaussians."""
    hidden_dim: int = 600
    """Width of the encoder's layers."""
    num_layers: int = 5
    """Layers of the encoder before the Gaussian."""
    gamma: float = 0.005
    """How much the divergence from the prior counts, for each event of the user."""
    mixture: tuple[float, float, float] = (0.15, 0.75, 0.1)
    """Shares of the prior: N(0, 1), what the old encoder says of the user, a wide Gaussian."""
    wide_log_variance: float = 10.0
    """The wide Gaussian's logarithm of the variance."""
    dropout: float = 0.5
    """Fraction of a user's items that is dropped while the encoder is trained."""
    history_length: int | None = None
    """How many of the last items are read at evaluation; None: all that are known."""

    def build(self, spec: Spec) -> "RecVAE":
        check(self)
        if min(self.mixture) <= 0 or abs(sum(self.mixture) - 1) > 1e-6:
            raise InputError(
                f"model.mixture is {self.mixture}; give three numbers above 0 whose sum is 1."
            )
        return RecVAE(self, spec)


class RecVAE(Autoencoder):
    """h · e_i + b_i of a Gaussian h, whose prior, element by element, is a mixture of three.

    One of them is the posterior of the encoder as it was some time ago. Its parameters, and whether
    it is the decoder's turn, are the collection "alternation", which the objective Alternating
    moves on; under another objective the old encoder stays as it was drawn.
    """

    config: RecVAEConfig

    def setup(self) -> None:
        self.encoder = self._encoder()
        # The authors' scale, that of a dense layer in PyTorch.
        self.decoder(self.config.embed_dim, (3 * self.config.embed_dim) ** -0.5)
        self.old = self.variable("alternation", "old_encoder", self._draw_old)
        self.decoding = self.variable("alternation", "decoding", jnp.zeros, (), bool)

    def encode_user(self, batch: Batch, train: bool = False) -> Float[Array, "batch queries dim"]:
        shown = batch.history, batch.segment_ids, batch.queries
        mean, log_variance = _halves(self.encoder(*shown, train, self.decoding.value))
        if not train:
            return with_one(mean)
        state = sample(mean, log_variance, self.make_rng("dropout"))
        old: Any = self._encoder(parent=None).apply({"params": self.old.value}, *shown)
        prior = self.log_prior(state, *_halves(old))
        apart = (log_density(state, mean, log_variance) - prior).sum(-1)
        weight = self.config.gamma * _events(batch)
        self.sow_divergence(batch, weight * apart)
        return with_one(state)

    def log_prior(
        self,
        state: Float[Array, "*n dim"],
        old_mean: Float[Array, "*n dim"],
        old_log_variance: Float[Array, "*n dim"],
    ) -> Float[Array, "*n dim"]:
        """Give the log density of each element."""
        zero = jnp.zeros((1,) * state.ndim)
        standard = log_density(state, zero, zero)
        remembered = log_density(state, old_mean, old_log_variance)
        wide = log_density(state, zero, zero + self.config.wide_log_variance)
        return log_mixture((standard, remembered, wide), self.config.mixture)

    def _encoder(self, **parent: Any) -> DenseSet:
        c, items = self.config, self.spec.num_items
        return DenseSet(items, c.hidden_dim, c.num_layers, 2 * c.embed_dim, c.dropout, **parent)

    def _draw_old(self) -> PyTree:
        empty = jnp.zeros((1, 1), jnp.int32)
        key = self.make_rng("params")
        return self._encoder(parent=None).init(key, empty, empty, empty)["params"]


def _halves(x: Float[Array, "*n numbers"]) -> tuple[Array, Array]:
    mean, log_variance = jnp.split(x, 2, axis=-1)
    return mean, log_variance


def _events(batch: Batch) -> Float[Array, "batch queries"]:
    """Count the events that each query reads.

    NOTE: the paper counts items; an item that a user met twice counts twice here.
    """
    seen, _ = prefixes(batch.segment_ids, batch.queries, batch.history.shape[1])
    return seen.sum(-1).astype(jnp.float32)
