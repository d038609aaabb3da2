"""EASE on Amazon Sports, 5-core, on the file of S3-Rec: leave-one-out, the full catalogue.

Command:  jaxrec train sports_ease
Time:     under a minute on two CPU cores.
Expected: test HR@10 .0473, NDCG@10 .0253; not tuned.
Paper:    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
"""

from jaxrec.baselines.ease import EASEConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sports"),
        model=EASEConfig(l2=200.0),
        protocol=Protocol(
            fit_on="train+validation", metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"
        ),
    )
