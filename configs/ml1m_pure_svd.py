"""PureSVD on MovieLens-1M, the file of SASRec: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_pure_svd
Time:     a few seconds on two CPU cores.
Expected: test HR@10 .0988, NDCG@10 .0501.
Tuned:    jaxrec tune ml1m_pure_svd from factors = 32 (validation NDCG@10 .0438), over the space
          below: trial 9 of 20, seed 0 (.0503).
Paper:    Cremonesi, Koren and Turrin, "Performance of Recommender Algorithms on Top-N
          Recommendation Tasks", RecSys 2010.
"""

from jaxrec.baselines.pure_svd import PureSVDConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.space import Int, Range


def get_space() -> dict[str, Range]:
    return {
        "model.factors": Int(8, 512, log=True),
    }


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=PureSVDConfig(factors=149),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
    )
