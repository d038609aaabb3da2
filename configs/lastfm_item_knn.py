"""ItemKNN on LastFM of HetRec 2011: 8:1:1 of each user at random.

Command:  jaxrec train lastfm_item_knn
Time:     half a minute on half of a CPU core.
Expected: test Recall@10 .1900, NDCG@10 .1878.
Paper:    Deshpande and Karypis, "Item-Based Top-N Recommendation Algorithms", TOIS 2004.
"""

from jaxrec.baselines.item_knn import ItemKNNConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Ratio
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="lastfm", split=Ratio()),
        model=ItemKNNConfig(),
        protocol=Protocol(metrics=("recall@10", "ndcg@10"), monitor="ndcg@10"),
    )
