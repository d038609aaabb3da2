"""Implicit ALS on MovieLens-1M, the file of SASRec: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_ials
Time:     about half a minute on two CPU cores.
Expected: test HR@10 .102, NDCG@10 .051; fitted on train and validation .104, .053
          (seeds 0, 1, 2).
Tuned:    jaxrec tune ml1m_ials --model.embed-dim 128, over the space below: trial 16 of 20, seed 0
          (validation NDCG@10 .0492); then embed_dim of 32, 64, 256 and 512 (.0504 with 256).
Paper:    Rendle et al., "Revisiting the Performance of iALS on Item Recommendation Benchmarks",
          RecSys 2022; Hu, Koren and Volinsky, ICDM 2008.
"""

from jaxrec.baselines.ials import IALSConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.space import Float, Range


def get_space() -> dict[str, Range]:
    return {
        "model.l2": Float(0.0003, 0.03, log=True),
        "model.l2_power": Float(0.5, 1.2),
        "model.unobserved_weight": Float(0.01, 1.0, log=True),
    }


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=IALSConfig(embed_dim=256, l2=0.0192, l2_power=0.798, unobserved_weight=0.922),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
    )
