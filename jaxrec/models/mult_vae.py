"""Mult-VAE: what a set of items says of its user is a Gaussian, and a draw of it is decoded.

Liang et al., "Variational Autoencoders for Collaborative Filtering" (WWW 2018). The objective is
Reconstruction, the batches are Users. The divergence from N(0, 1) is sown as a loss; how much it
counts, and from when on, the objective says.
"""

from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxrec.encoders.gaussian import divergence, sample
from jaxrec.models.autoencoder import check
from jaxrec.models.mult_dae import MultDAE, MultDAEConfig
from jaxrec.typing import Batch, Spec


@dataclass(frozen=True)
class MultVAEConfig(MultDAEConfig):
    """The sizes of a Mult-VAE; embed_dim is that of its Gaussians."""

    hidden_dims: tuple[int, ...] = (600,)
    """Widths of the layers between the items and the Gaussian, on both sides."""

    def build(self, spec: Spec) -> "MultVAE":
        check(self)
        return MultVAE(self, spec)


class MultVAE(MultDAE):
    """Training decodes a draw of each user's Gaussian, evaluation its mean."""

    config: MultVAEConfig
    numbers: ClassVar[int] = 2

    def encode_user(self, batch: Batch, train: bool = False) -> Float[Array, "batch queries dim"]:
        mean, log_variance = jnp.split(self.encode(batch, train), 2, axis=-1)
        if not train:
            return self.decode(mean)
        self.sow_divergence(batch, divergence(mean, log_variance))
        return self.decode(sample(mean, log_variance, self.make_rng("dropout")))
