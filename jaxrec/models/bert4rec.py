"""BERT4Rec: a bidirectional Transformer names hidden items of the history; the next one is hidden.

Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from
Transformer" (CIKM 2019). Petrov & Macdonald, "A Systematic Review and Replicability Study of
BERT4Rec" (RecSys 2022): it is still getting better when SASRec has long been trained, and most
published baselines stopped before; so give it many epochs.
At first it ranks by popularity, perhaps because a [MASK] knows its neighbours by attention alone.
With faint successions to learn it still did so after 2,400 steps of size 3e-3, but not after 600 of
1e-3: where it seems not to learn, try smaller steps.
NOTE: positions are counted back from the last event.
"""

import dataclasses
from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from jaxrec.embedding import embed
from jaxrec.encoders.transformer import Norm, Transformer, compute_dtype
from jaxrec.errors import InputError
from jaxrec.masking import ask_next
from jaxrec.models.next_item import check_length
from jaxrec.similarity import dot
from jaxrec.typing import Batch, Items, Spec


@dataclass(frozen=True)
class BERT4RecConfig:
    """The sizes of a BERT4Rec."""

    embed_dim: int = 64
    """Width of item vectors and of the Transformer."""
    num_layers: int = 2
    """Transformer blocks."""
    num_heads: int = 2
    """Attention heads of each block; must divide embed_dim."""
    mlp_ratio: int = 4
    """Width of the blocks' hidden layers, in multiples of embed_dim."""
    dropout: float = 0.2
    """Fraction of the embeddings, and of each block's two updates, that is dropped in training."""
    attention_dropout: float = 0.0
    """Fraction of the attention's weights that is dropped in training."""
    kernel_scale: float | None = None
    """Standard deviation that the blocks' matrices start with, .02 in BERT; None: 1/√(inputs)."""
    history_length: int = 100
    """Columns that are read; a [MASK] takes one, so that one fewer of the last events is shown."""
    norm: Norm = "post"
    """What is normalised: each sum of a block ("post", the paper's), or what it reads ("pre")."""
    positions: Literal["learned", "sinusoidal", "rotary"] = "learned"
    """How an event's place, counted back from the last one, is told."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """What the Transformer computes in; auto: bfloat16 on TPUs and GPUs since Ampere, else float32.

    Parameters, scores and losses stay float32.
    """

    def build(self, spec: Spec) -> "BERT4Rec":
        if self.embed_dim % self.num_heads:
            raise InputError(
                f"model.num_heads is {self.num_heads}; "
                f"give a divisor of model.embed_dim, {self.embed_dim}"
            )
        return BERT4Rec(self, spec)


class BERT4Rec(nn.Module):
    """h · e_i + b_i, as the inner product of [h, 1] and [e_i, b_i]; e_i also embeds the history.

    h is the Transformer's state, projected, through a GELU, normalised: the paper's equation 7 with
    the normalisation of the authors' code.
    """

    config: BERT4RecConfig
    spec: Spec
    inner_product = True

    def setup(self) -> None:
        c = self.config
        self.item_vector = embed(self.spec.num_items + 1, c.embed_dim)
        self.item_bias = embed(self.spec.num_items + 1, 1, scale=0.0)
        self.mask = self.param("mask", nn.initializers.normal(0.02), (c.embed_dim,))
        self.history = Transformer(
            max_length=c.history_length,
            num_layers=c.num_layers,
            num_heads=c.num_heads,
            mlp_dim=c.mlp_ratio * c.embed_dim,
            dropout=c.dropout,
            dtype=compute_dtype(c.dtype),
            causal=False,
            norm=c.norm,
            positions=c.positions,
            attention_dropout=c.attention_dropout,
            kernel_scale=c.kernel_scale,
        )
        self.project = nn.Dense(c.embed_dim)
        self.project_norm = nn.LayerNorm()

    def encode_user(self, batch: Batch, train: bool = False) -> Float[Array, "batch queries dim"]:
        """Put a [MASK] after the events up to each query, and answer there; later ones are unseen.

        So each query takes a pass of its own: cheap at evaluation, which has one query a user, but
        not with all of them, so train by the objective MaskedItems.
        """
        length = min(batch.history.shape[1] + 1, self.config.history_length)
        state = self.encode_masked(ask_next(batch, length), train)
        return state.reshape(*batch.queries.shape, -1)

    def encode_masked(self, batch: Batch, train: bool = False) -> Float[Array, "batch queries dim"]:
        """Answer at the hidden events `queries` (see masking.py), seeing all of their segment."""
        check_length(batch, self.config.history_length)
        hidden = (batch.where & (batch.history == 0))[..., None]
        x = jnp.where(hidden, self.mask[None, None], self.item_vector(batch.history))
        x = self.history(x, batch.segment_ids, batch.queries, train)
        x = self.project_norm(nn.gelu(self.project(x)))
        return jnp.concatenate([x, jnp.ones_like(x[..., :1])], -1)

    def encode_item(self, items: Items, train: bool = False) -> Float[Array, "... dim"]:
        return jnp.concatenate([self.item_vector(items.id), self.item_bias(items.id)], -1)

    def score(
        self, user: Float[Array, "batch queries dim"], item: Float[Array, "... n dim"]
    ) -> Float[Array, "batch queries n"]:
        return dot(user, item)

    def predict(self, batch: Batch, train: bool = False) -> Float[Array, "batch"]:
        item = self.encode_item(batch.catalogue.items.take(batch.target[:, -1:]), train)
        last = dataclasses.replace(batch, queries=batch.queries[:, -1:])
        return self.score(self.encode_user(last, train), item)[:, -1, 0]
