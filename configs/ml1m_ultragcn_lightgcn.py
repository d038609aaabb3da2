"""LightGCN on UltraGCN's files of MovieLens-1M, a tenth of train held out.

Command:  jaxrec train ml1m_ultragcn_lightgcn
Time:     not measured here yet.
Expected: not measured here yet; no row is published for this split.
Tuned:    not yet; layers, decay and step are those of Gowalla's, the batch is four times as large.
Paper:    He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for
          Recommendation", SIGIR 2020.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.lightgcn import LightGCNConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import Bpr
from jaxrec.optimizer import Adam
from jaxrec.regularisation import L2Penalty
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-1m-ultragcn", split=Given(validation=0.1)),
        model=LightGCNConfig(embed_dim=64, num_layers=3),
        objective=L2Penalty(Bpr(Uniform(1)), decay=1e-4 / 8192),
        batches=Pairs(batch_size=8192),
        optimizer=Adam(learning_rate=4e-3),
        protocol=Protocol(metrics=("recall@20", "ndcg@20"), monitor="ndcg@20"),
        train=TrainConfig(epochs=200, eval_every=450, patience=5),
    )
