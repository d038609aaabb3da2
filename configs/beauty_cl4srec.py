"""CL4SRec on Amazon Beauty, S3-Rec's file: SASRec, and two views of each history told apart.

Command:  jaxrec train beauty_cl4srec
Time:     not measured here yet.
Expected: not measured here yet; published test HR@10 .0681, NDCG@10 .0299.
Tuned:    no; the sizes and all else are those of beauty_sasrec_bce, so that the two differ by the
          views alone, with the paper's shares that are cropped, masked and shuffled, and its λ. The
          paper's main loss is a softmax over sampled negatives instead of a cross-entropy. A batch
          of 32 packed rows holds about as many sequences as its 256.
Paper:    Xie et al., "Contrastive Learning for Sequential Recommendation", ICDE 2022; the row is
          that which Tikhonovich et al., "eSASRec", RecSys 2025, collected
          (blondered/transformer_benchmark).
"""

from jaxrec.augmentation import Crop, Mask, Reorder
from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import BinaryCrossEntropy
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig
from jaxrec.views import Views


def get_config() -> Config:
    return Config(
        data=DataConfig(path="beauty"),
        model=SASRecConfig(
            embed_dim=64,
            num_layers=2,
            num_heads=2,
            mlp_ratio=4,
            dropout=0.5,
            history_length=50,
            norm="post",
        ),
        objective=Views(
            BinaryCrossEntropy(Uniform(1, avoid_positives=False)),
            views=(Crop(0.6), Mask(0.3), Reorder(0.6)),
            share=0.1,
            num_sequences=256,
        ),
        batches=PackedSequences(batch_size=32, length=50),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=200, patience=10),
    )
