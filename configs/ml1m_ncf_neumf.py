"""NeuMF on NCF's MovieLens-1M: the last event among 99 others.

Command:  jaxrec train ml1m_ncf_neumf
Time:     not measured here yet.
Expected: not measured here yet; published ≈ .709, .435, from memory.
Tuned:    not yet.
Paper:    He et al., "Neural Collaborative Filtering", WWW 2017; Rendle et al., "Neural
          Collaborative Filtering vs. Matrix Factorization Revisited", RecSys 2020.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.neumf import NeuMFConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import BinaryCrossEntropy
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-1m-ncf", split=Given()),
        model=NeuMFConfig(factors=8, embed_dim=32, hidden_dims=(32, 16, 8)),
        objective=BinaryCrossEntropy(Uniform(4)),
        batches=Pairs(batch_size=8192),
        optimizer=Adam(learning_rate=2e-3, weight_decay=0.1),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), candidates="lists"),
        train=TrainConfig(epochs=50, patience=None, ema_decay=0.999),
    )
