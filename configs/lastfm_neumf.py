"""NeuMF on Last.fm (HetRec 2011), by RecBole-GNN's protocol: 8:1:1 of each user's artists.

Command:  jaxrec train lastfm_neumf
Time:     not measured here yet.
Expected: not measured here yet; published Recall@10 .1696, NDCG@10 .1604 (RecBole-GNN).
Tuned:    no; the sizes and dropout are RecBole's, batches and patience RecBole-GNN's.
Paper:    He et al., "Neural Collaborative Filtering", WWW 2017.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Ratio
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.neumf import NeuMFConfig
from jaxrec.negatives import Uniform
from jaxrec.objectives import BinaryCrossEntropy
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="lastfm", split=Ratio(0.1, 0.1)),
        model=NeuMFConfig(factors=64, embed_dim=64, hidden_dims=(128, 64), dropout=0.1),
        objective=BinaryCrossEntropy(Uniform(1)),
        batches=Pairs(batch_size=4096),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("recall@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=500, eval_every=95, patience=10),
    )
