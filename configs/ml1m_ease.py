"""EASE on MovieLens-1M, the file of SASRec: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_ease
Time:     about 6 s on two CPU cores.
Expected: test HR@10 .1096, NDCG@10 .0537; fitted on train and validation .1101, .0537.
Tuned:    jaxrec tune ml1m_ease from l2 = 500, over the space below: trial 16 of 20, seed 0
          (validation NDCG@10 .0523).
Paper:    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
"""

from jaxrec.baselines.ease import EASEConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.space import Float, Range


def get_space() -> dict[str, Range]:
    return {
        "model.l2": Float(30.0, 3000.0, log=True),
    }


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=EASEConfig(l2=177.0),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
    )
