"""EASE on Gowalla, on the files and by the protocol of LightGCN.

Command:  jaxrec train gowalla_ease
Time:     about 9 minutes on two CPU cores, 8 GB.
Expected: test Recall@20 .1765, NDCG@20 .1467, as published.
Paper:    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
"""

from jaxrec.baselines.ease import EASEConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="gowalla", split=Given()),
        model=EASEConfig(l2=80.0),
        protocol=Protocol(metrics=("recall@20", "ndcg@20"), monitor="ndcg@20"),
    )
