"""User neighbourhoods by cosine on Gowalla, by the protocol of LightGCN.

Command:  jaxrec train gowalla_user_knn
Time:     about a minute on two CPU cores.
Expected: test Recall@20 .1683, NDCG@20 .1369, with the published 146 neighbours; pruned by row, as
          textbooks do it, .1656 and .1356.
Paper:    Anelli et al., "Challenging the Myth of Graph Collaborative Filtering", RecSys 2023, print
          .1685 and .1370; hyperparameters of their repository.
"""

from jaxrec.baselines.user_knn import UserKNNConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="gowalla", split=Given()),
        model=UserKNNConfig(similarity="cosine", neighbours=146, pruning="column"),
        protocol=Protocol(metrics=("recall@20", "ndcg@20"), monitor="ndcg@20"),
    )
