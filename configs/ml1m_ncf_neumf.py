"""NeuMF on NCF's MovieLens-1M: the last event among 99 others.

Command:  jaxrec train ml1m_ncf_neumf
Time:     not measured here yet.
Expected: not measured here yet; published ≈ .709, .435, from memory.
Tuned:    on 5 % of each user's training events (--data.split.validation 0.05, all items ranked),
          seed 0, 30 epochs: weight_decay of .1 and .3 at Adam's rate of 2e-3 (NDCG@10 .190, .191),
          .3 at 5e-3 (.198), at the paper's widths and 4 negatives; it was still rising.
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
        optimizer=Adam(learning_rate=5e-3, weight_decay=0.3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), candidates="lists"),
        train=TrainConfig(epochs=50, patience=None, ema_decay=0.999),
    )
