"""Popularity on LastFM of HetRec 2011: 8:1:1 of each user at random.

Command:  jaxrec train lastfm_popularity
Time:     a few seconds on a CPU core.
Expected: test Recall@10 .0731, NDCG@10 .0634.
Paper:    Cantador, Brusilovsky and Kuflik, "Second Workshop on Information Heterogeneity and Fusion
          in Recommender Systems (HetRec 2011)", RecSys 2011, for the data.
"""

from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Ratio
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="lastfm", split=Ratio()),
        model=PopularityConfig(),
        protocol=Protocol(metrics=("recall@10", "ndcg@10"), monitor="ndcg@10"),
    )
