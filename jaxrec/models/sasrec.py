"""SASRec: a causal Transformer reads the history, and its last state scores items by a dot product.

Kang & McAuley, "Self-Attentive Sequential Recommendation" (ICDM 2018).
NOTE: pre-norm blocks, a GELU, and positions counted back from the last event, where the paper's
blocks normalise queries only and its positions count columns. The paper's loss is
BinaryCrossEntropy; FullSoftmax ranks better (Klenitskiy & Vasilev, RecSys 2023).
eSASRec (Tikhonovich et al., RecSys 2025) is SASRec with LiGR's blocks, `gated` and "swiglu", and a
sampled softmax.
"""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Array, Float

from jaxrec.embedding import embed
from jaxrec.encoders.transformer import Activation, Norm, Positions, Transformer, compute_dtype
from jaxrec.errors import InputError
from jaxrec.models.next_item import NextItem, check_length
from jaxrec.typing import Batch, Spec


@dataclass(frozen=True)
class SASRecConfig:
    """The sizes of a SASRec."""

    embed_dim: int = 64
    """Width of item vectors and of the Transformer."""
    num_layers: int = 2
    """Transformer blocks."""
    num_heads: int = 2
    """Attention heads of each block; must divide embed_dim."""
    mlp_ratio: int = 4
    """Width of the blocks' hidden layers, in multiples of embed_dim."""
    dropout: float = 0.3
    """Fraction of the embeddings, and of each block's two updates, that is dropped in training."""
    attention_dropout: float = 0.0
    """Fraction of the attention's weights that is dropped in training."""
    kernel_scale: float | None = None
    """Standard deviation that the blocks' matrices start with, .02 in BERT; None: 1/√(inputs)."""
    history_length: int = 100
    """How many of the last events are read."""
    norm: Norm = "pre"
    """What is normalised: what a block reads ("pre"), or each sum of it ("post", as in BERT)."""
    positions: Positions = "learned"
    """How an event's place, counted back from the last one, is told; "time" tells of two events how
    many are between them and how much time."""
    gated: bool = False
    """Weigh each block's two updates by gates, sigmoids of what they are added to (LiGR)."""
    activation: Activation = "gelu"
    """That of the blocks' hidden layers; "swiglu" has half as many weights again, and drops some of
    its hidden units as well."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """What the Transformer computes in; auto: bfloat16 on TPUs and GPUs since Ampere, else float32.

    Parameters, scores and losses stay float32.
    """

    @property
    def reads_times(self) -> bool:
        """Whether batches must tell the times of events."""
        return self.positions == "time"

    def build(self, spec: Spec) -> "SASRec":
        if self.embed_dim % self.num_heads:
            raise InputError(
                f"model.num_heads is {self.num_heads}; "
                f"give a divisor of model.embed_dim, {self.embed_dim}"
            )
        return SASRec(self, spec)


class SASRec(NextItem):
    """History Transformer, dot product with the item table that also embeds the history."""

    config: SASRecConfig

    def setup(self) -> None:
        c = self.config
        self.item_vector = embed(self.spec.num_items + 1, c.embed_dim)
        self.history = Transformer(
            max_length=c.history_length,
            num_layers=c.num_layers,
            num_heads=c.num_heads,
            mlp_dim=c.mlp_ratio * c.embed_dim,
            dropout=c.dropout,
            dtype=compute_dtype(c.dtype),
            norm=c.norm,
            positions=c.positions,
            gated=c.gated,
            activation=c.activation,
            attention_dropout=c.attention_dropout,
            kernel_scale=c.kernel_scale,
        )

    def encode_user(self, batch: Batch, train: bool = False) -> Float[Array, "batch queries dim"]:
        check_length(batch, self.config.history_length)
        hidden = self.item_vector(batch.history) * self.config.embed_dim**0.5
        return self.history(hidden, batch.segment_ids, batch.queries, train, batch.time)
