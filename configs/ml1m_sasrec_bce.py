"""SASRec with its own loss, one negative for each target, on MovieLens-1M, the file of SASRec.

Command:  jaxrec train ml1m_sasrec_bce
Time:     36 minutes on one busy core.
Expected: test HR@10 .2475, NDCG@10 .1313 (seed 0); published .2500, .1341.
Tuned:    no; the sizes, dropout, batch, step size and patience are those of the published row.
          Batches are padded, not packed, so that a negative is never one of its user's items.
Paper:    Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018; the row is that
          of Klenitskiy and Vasilev, "Turning Dross Into Gold Loss: is BERT4Rec really better than
          SASRec?", RecSys 2023.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Sequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.sasrec import SASRecConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import BinaryCrossEntropy
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=SASRecConfig(
            embed_dim=64, num_layers=2, num_heads=1, mlp_ratio=1, dropout=0.1, history_length=200
        ),
        objective=BinaryCrossEntropy(Uniform(1)),
        batches=Sequences(batch_size=128, length=200),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=100, patience=10),
    )
