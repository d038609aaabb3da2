"""eSASRec on MovieLens-1M, the file of SASRec: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_esasrec
Time:     46 minutes on one of two busy CPU cores (74 epochs).
Expected: test HR@10 .3185, NDCG@10 .1842 (seed 0); no published row on this very file (on all 3,706
          movies: test HR@10 .3133, NDCG@10 .1772).
Tuned:    no; the sizes, dropout and step size are the published ones. The loss is the softmax over
          all 3,416 items, which theirs with 256 drawn negatives a target estimates: on a CPU its
          products take less time than to gather the drawn items' vectors for each of 12,800
          targets, and it has no noise of drawing. A batch of 64 packed rows holds about as many
          targets as 128 users. Their blocks drop attention weights as well and end without a
          normalisation.
Paper:    Tikhonovich et al., "eSASRec: Enhancing Transformer-based Recommendations in a Modular
          Fashion", RecSys 2025 (blondered/transformer_benchmark); its blocks are those of Borisyuk
          et al., "From Features to Transformers: Redefining Ranking for Scalable Impact", 2025.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.objectives import FullSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=SASRecConfig(
            embed_dim=64,
            num_layers=2,
            num_heads=1,
            mlp_ratio=4,
            dropout=0.1,
            history_length=200,
            gated=True,
            activation="swiglu",
        ),
        objective=FullSoftmax(),
        batches=PackedSequences(batch_size=64, length=200),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        # Two epochs: a validation takes a tenth of one.
        train=TrainConfig(epochs=100, eval_every=102, patience=5),
    )
