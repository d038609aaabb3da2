"""LightGCN on LastFM of HetRec 2011: 8:1:1 of each user at random, as RecBole has it.

Command:  jaxrec train lastfm_lightgcn
Time:     24 minutes on 65 % of a CPU core (500 epochs, still rising).
Expected: test Recall@10 .2063, NDCG@10 .2004 (seed 0); published .2064, .1972.
Tuned:    no; sizes and step are RecBole-GNN's.
Paper:    He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for
          Recommendation", SIGIR 2020.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Ratio
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.lightgcn import LightGCNConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import Bpr
from jaxrec.optimizer import Adam
from jaxrec.regularisation import L2Penalty
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="lastfm", split=Ratio()),
        model=LightGCNConfig(embed_dim=64, num_layers=3),
        objective=L2Penalty(Bpr(Uniform(1)), decay=1e-4 / 4096),
        batches=Pairs(batch_size=4096),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("recall@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=500, eval_every=95, patience=10),
    )
