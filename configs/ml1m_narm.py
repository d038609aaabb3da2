"""NARM on MovieLens-1M, the file of SASRec: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_narm
Time:     not measured here yet; at most 100 epochs. The attention meets every pair of events of a
          history, element by element, which costs more than the GRU.
Expected: not measured here yet; no published row on this very file is verified.
Tuned:    no; the dropouts are the paper's, the rest is ml1m_gru4rec's.
Paper:    Li et al., "Neural Attentive Session-based Recommendation", CIKM 2017.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.narm import NARMConfig
from jaxrec.objectives import FullSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=NARMConfig(embed_dim=64, dropout=0.25, context_dropout=0.5, history_length=200),
        objective=FullSoftmax(),
        batches=PackedSequences(batch_size=64, length=200),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=100, patience=10),
    )
