"""Item neighbourhoods by the number of shared users on Gowalla, by the protocol of LightGCN.

Command:  jaxrec train gowalla_item_knn
Time:     about 30 s on two CPU cores.
Expected: test Recall@20 .1405, NDCG@20 .1164, with the published 508 neighbours and random ties:
          scores are whole numbers, many of them equal (pessimistic ties give .1384 and .1149).
Paper:    Anelli et al., "Challenging the Myth of Graph Collaborative Filtering", RecSys 2023, print
          .1409 and .1165; hyperparameters of their repository.
"""

from jaxrec.baselines.item_knn import ItemKNNConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="gowalla", split=Given()),
        model=ItemKNNConfig(similarity="dot", neighbours=508),
        protocol=Protocol(metrics=("recall@20", "ndcg@20"), monitor="ndcg@20", ties="random"),
    )
