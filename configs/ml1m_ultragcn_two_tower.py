"""Two towers on UltraGCN's files of MovieLens-1M, the full catalogue.

Command:  jaxrec train ml1m_ultragcn_two_tower
Time:     not measured here yet.
Expected: not measured here yet; no published row on these files. Matrix factorisation by BPR has
          Recall@20 .2532, NDCG@20 .2440 (freerec).
Tuned:    no. The files have no order, so a batch shows the other items of the user.
Paper:    Yi et al., "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
          Recommendations", RecSys 2019.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Pairs
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.two_tower import TwoTowerConfig
from jaxrec.objectives import InBatchSoftmax
from jaxrec.optimizer import Adam
from jaxrec.similarity import Cosine
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-1m-ultragcn", split=Given()),
        model=TwoTowerConfig(embed_dim=64, similarity=Cosine(0.1), history_length=100),
        objective=InBatchSoftmax(),
        batches=Pairs(batch_size=4096, history_length=100, around=True),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("recall@20", "ndcg@20"), monitor="ndcg@20"),
        train=TrainConfig(epochs=30, patience=None),
    )
