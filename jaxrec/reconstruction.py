"""Objectives of autoencoders: name the very items that a user was shown, and no others.

The batches are `Users`: each shows what a user has met, whole.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict
from jaxtyping import Array, Bool, Float, Int, Key, PyTree

from jaxrec import losses
from jaxrec.contrast import Apply, Around, encode
from jaxrec.data.histories import multi_hot
from jaxrec.errors import InputError
from jaxrec.objectives import Result, weighted_mean
from jaxrec.typing import Batch


@dataclass(frozen=True)
class Reconstruction:
    """The multinomial log-likelihood of a user's items, with what the model sows (Mult-VAE, eq. 5).

    -Σ_i log softmax(s)_i over the items i of the user, each once, among all; with a variational
    autoencoder, which sows a divergence, it is the negative evidence bound.
    """

    kl_cap: float = 0.2
    """β: how much sown losses count in the end."""
    anneal_steps: int = 200_000
    """They count by step / anneal_steps until then, so for kl_cap of these steps; 0: at once."""
    decay: float = 0.0
    """λ: of the L2 penalty λ ‖W‖² on all tables and kernels, not on biases (the Mult-DAE's)."""
    reconstructs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("kl_cap", "anneal_steps", "decay"):
            if getattr(self, name) < 0:
                raise InputError(
                    f"objective.{name} is {getattr(self, name)}; give a number from 0 on."
                )

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> Result:
        if batch.queries.shape[1] != 1:
            raise InputError(
                f"the batches ask {batch.queries.shape[1]} times of a history, which the objective "
                "reconstructs once; let them be Users."
            )
        user, item, sown = encode(apply, variables, batch, None, key)
        scores = apply(variables, user, item, method="score")[:, 0, 1:]  # item 0 is none
        items = multi_hot(jnp.where(batch.where, batch.history, 0), scores.shape[1])[:, 1:]
        unlikely = losses.softmax_cross_entropy(scores, items, reduce_fn=None)
        loss, metrics = weighted_mean(unlikely, batch.weights[:, 0], None)
        if sown is not None:
            weight = self.kl_weight(step_of(variables))
            loss, metrics = loss + weight * sown, {"divergence": sown, "kl_weight": weight}
        if not self.decay:
            return loss, metrics
        penalty = self.decay * _squares(variables["params"])
        return loss + penalty, {**metrics, "l2": penalty}

    def kl_weight(self, step: Int[Array, ""] | None) -> Float[Array, ""]:
        """Say how much sown losses count at a step; None: after all of them."""
        if step is None or not self.anneal_steps:
            return jnp.float32(self.kl_cap)
        return jnp.minimum(step / self.anneal_steps, self.kl_cap)


@dataclass(frozen=True)
class Alternating(Around):
    """An objective for the encoder and for the decoder in turn, which the other rests in (RecVAE).

    For models with the collection "alternation" and the parameters "encoder", beside which all are
    the decoder's. In the decoder's turn no items are dropped, and the encoder as it stands becomes
    the old one.
    NOTE: the authors have two optimizers. Here the moments of what rests do so as well, but Adam's
    bias correction counts all steps.
    """

    objective: Any = field(default_factory=partial(Reconstruction, kl_cap=1.0, anneal_steps=0))
    """What is trained for."""
    encoder_steps: int = 3
    """Steps of the encoder's turn; the authors: three epochs."""
    decoder_steps: int = 1
    """Steps of the decoder's turn; the authors: one epoch."""

    def __post_init__(self) -> None:
        for name in ("encoder_steps", "decoder_steps"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"objective.{name} is {getattr(self, name)}; give a whole number from 1 on."
                )

    def __call__(
        self, apply: Apply, variables: PyTree, batch: Batch, key: Key[Array, ""]
    ) -> tuple[Float[Array, ""], dict[str, Any]]:
        if "alternation" not in variables:
            raise InputError(
                "the model keeps no old encoder; let it be RecVAE, or the objective Reconstruction."
            )
        params, old = variables["params"], variables["alternation"]["old_encoder"]
        decoding = self.decoding(step_of(variables))
        now = jax.lax.stop_gradient(params["encoder"])
        old = jax.tree.map(partial(jnp.where, decoding), now, old)
        turn = {"alternation": {"old_encoder": old, "decoding": decoding}}
        loss, metrics = self.objective(apply, {**variables, **turn}, batch, key)
        resting = {name: decoding if name == "encoder" else ~decoding for name in params}
        return loss, {**metrics, "collections": turn, "resting": resting}

    def decoding(self, step: Int[Array, ""] | None) -> Bool[Array, ""]:
        """Tell whether a step is of the decoder's turn; None is not."""
        if step is None:
            return jnp.zeros((), bool)
        return step % (self.encoder_steps + self.decoder_steps) >= self.encoder_steps


def step_of(variables: PyTree) -> Int[Array, ""] | None:
    """Find the step that training is at; None outside of it."""
    return variables["progress"]["step"] if "progress" in variables else None


def _squares(params: PyTree) -> Float[Array, ""]:
    weights = (x for x in flatten_dict(params).values() if x.ndim > 1 and x.shape[-1] > 1)
    return jnp.asarray(sum(jnp.square(x).sum() for x in weights), jnp.float32)
