"""EASE on MovieLens-1M, the file of SASRec: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_ease
Time:     about 6 s on two CPU cores.
Expected: test HR@10 .1084, NDCG@10 .0535; fitted on train and validation .1099, .0544.
          Not tuned.
Paper:    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
"""

from jaxrec.baselines.ease import EASEConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=EASEConfig(l2=500.0),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
    )
