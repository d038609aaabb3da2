"""SASRec with a sampled softmax on Amazon Sports, S3-Rec's file: leave-one-out, full catalogue.

Command:  jaxrec train sports_sasrec_ss
Time:     about 6 minutes on one core.
Expected: test HR@10 .0556, NDCG@10 .0325 (seed 0); published .0569, .0314.
Tuned:    on validation NDCG@10 by two trials of seed 0: the settings of beauty_sasrec_ss, with its
          notes (.0393; its test HR@10 is .0550, NDCG@10 .0323), and with the moving average of the
          parameters (.0406, this one).
Paper:    Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018; the row is that
          of Tikhonovich et al., "eSASRec: Enhancing Transformer-based Recommendations in a Modular
          Fashion", RecSys 2025 (blondered/transformer_benchmark).
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
        data=DataConfig(path="sports"),
        model=SASRecConfig(
            embed_dim=64, num_layers=1, num_heads=1, mlp_ratio=1, dropout=0.5, history_length=50
        ),
        objective=SampledSoftmax(Uniform(256, avoid_positives=False), shared=False),
        batches=PackedSequences(batch_size=16, length=50),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=100, patience=10, ema_decay=0.998),
    )
