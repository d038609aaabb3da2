"""CL4SRec on Amazon Beauty, S3-Rec's file: SASRec, and two views of each history told apart.

Command:  jaxrec train beauty_cl4srec
Time:     50 minutes on half of a CPU core (97 epochs, still rising).
Expected: test HR@10 .0807, NDCG@10 .0453 (seed 0); published .0681, .0299.
Tuned:    no; all but the views is that of beauty_sasrec_ss, so that the two differ by the views
          alone. The shares that are cropped, masked and shuffled, and λ, are the defaults of Views.
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
from jaxrec.objectives import SampledSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig
from jaxrec.views import Views


def get_config() -> Config:
    return Config(
        data=DataConfig(path="beauty"),
        model=SASRecConfig(
            embed_dim=64, num_layers=1, num_heads=1, mlp_ratio=1, dropout=0.5, history_length=50
        ),
        objective=Views(
            SampledSoftmax(Uniform(256, avoid_positives=False), shared=False),
            views=(Crop(0.6), Mask(0.3), Reorder(0.6)),
            share=0.1,
            num_sequences=128,
        ),
        batches=PackedSequences(batch_size=16, length=50),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=100, patience=10),
    )
