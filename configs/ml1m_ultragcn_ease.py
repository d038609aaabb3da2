"""EASE on MovieLens-1M, on the files of LCFN and UltraGCN and by their protocol.

Command:  jaxrec train ml1m_ultragcn_ease
Time:     about 6 s on two CPU cores.
Expected: test Recall@20 .2759, NDCG@20 .2660 (tests/test_ease.py).
Paper:    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
"""

from jaxrec.baselines.ease import EASEConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-1m-ultragcn", split=Given()),
        model=EASEConfig(l2=500.0),
        protocol=Protocol(metrics=("recall@20", "ndcg@20"), monitor="ndcg@20"),
    )
