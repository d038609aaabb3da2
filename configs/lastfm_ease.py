"""EASE on LastFM of HetRec 2011: 8:1:1 of each user at random.

Command:  jaxrec train lastfm_ease
Time:     4 minutes on half of a CPU core.
Expected: test Recall@10 .1922, NDCG@10 .1879.
Paper:    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
"""

from jaxrec.baselines.ease import EASEConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Ratio
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="lastfm", split=Ratio()),
        model=EASEConfig(),
        protocol=Protocol(metrics=("recall@10", "ndcg@10"), monitor="ndcg@10"),
    )
