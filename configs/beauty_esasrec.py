"""eSASRec on Amazon Beauty, S3-Rec's file: leave-one-out, the full catalogue.

Command:  jaxrec train beauty_esasrec
Time:     not measured here yet.
Expected: not measured here yet; published test HR@10 .0928, NDCG@10 .0523.
Tuned:    no; the sizes, dropout, negatives and step size are the published ones, but the log-Q
          correction is on, so that 256 negatives stand for all items, as it is in beauty_sasrec_ss.
          (The configs beside the published table have 256 factors where the table has 64:
          --model.embed-dim 256.) A batch of 16 packed rows holds about as many targets as 128
          users. Their blocks drop attention weights as well and end without a normalisation.
Paper:    Tikhonovich et al., "eSASRec: Enhancing Transformer-based Recommendations in a Modular
          Fashion", RecSys 2025 (blondered/transformer_benchmark); its blocks are those of Borisyuk
          et al., "From Features to Transformers: Redefining Ranking for Scalable Impact", 2025.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import SampledSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="beauty"),
        model=SASRecConfig(
            embed_dim=64,
            num_layers=1,
            num_heads=1,
            mlp_ratio=4,
            dropout=0.2,
            history_length=50,
            gated=True,
            activation="swiglu",
        ),
        objective=SampledSoftmax(Uniform(256, avoid_positives=False), shared=False),
        batches=PackedSequences(batch_size=16, length=50),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=200, patience=50),
    )
