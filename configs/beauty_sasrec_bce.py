"""SASRec with its own loss, one negative for each target, on Amazon Beauty, S3-Rec's file.

Command:  jaxrec train beauty_sasrec_bce
Time:     7 minutes on one CPU core.
Expected: test HR@10 .0585, NDCG@10 .0303 (seed 0); published .0605, .0318. With matrices that
          start at 1/√(inputs), as flax has it, .0529 and .0275.
Tuned:    no; the sizes, dropout, also of attention's weights, step size, epochs and patience are
          those of S3-Rec's SASRec, and so are the norm of each sum and the scale of matrices at the
          start, .02: with pre-norm blocks, and without attention's dropout, training stopped at a
          test NDCG@10 of .0178. A batch of 32 packed rows holds about as many targets as their 256
          users. Packed, a negative may be an item of its user: of 12,101 items they have about
          seven.
Paper:    Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018; the row is that
          of Zhou et al., "S3-Rec", CIKM 2020, full ranking.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import BinaryCrossEntropy
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="beauty"),
        model=SASRecConfig(
            embed_dim=64,
            num_layers=2,
            num_heads=2,
            mlp_ratio=4,
            dropout=0.5,
            attention_dropout=0.5,
            kernel_scale=0.02,
            history_length=50,
            norm="post",
        ),
        objective=BinaryCrossEntropy(Uniform(1, avoid_positives=False)),
        batches=PackedSequences(batch_size=32, length=50),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=200, patience=10),
    )
