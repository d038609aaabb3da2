"""GRU4Rec on MovieLens-1M, the file of SASRec: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_gru4rec
Time:     20 minutes on one CPU core (72 epochs).
Expected: test HR@10 .2790, NDCG@10 .1635 (seed 0); no published row on this very file is verified.
Tuned:    no; one layer of 64 units is what Klenitskiy and Vasilev, RecSys 2023, took, and the rest
          is ml1m_sasrec_plus's.
Paper:    Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016;
          Hidasi and Karatzoglou, "Recurrent Neural Networks with Top-k Gains for Session-based
          Recommendations", CIKM 2018; here with the full softmax.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.gru4rec import GRU4RecConfig
from jaxrec.objectives import FullSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=GRU4RecConfig(embed_dim=64, dropout=0.1, history_length=200),
        objective=FullSoftmax(),
        batches=PackedSequences(batch_size=64, length=200),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=100, patience=10),
    )
