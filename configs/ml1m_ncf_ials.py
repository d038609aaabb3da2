"""Implicit ALS on NCF's MovieLens-1M: the last event among 99 others.

Command:  jaxrec train ml1m_ncf_ials
Time:     under half a minute on two CPU cores.
Expected: test HR@10 .730, NDCG@10 .454, at the paper's hyperparameters; the paper has .722, .445,
          from memory.
Paper:    Rendle et al., "Revisiting the Performance of iALS on Item Recommendation Benchmarks",
          RecSys 2022; Hu, Koren and Volinsky, ICDM 2008.
"""

from jaxrec.baselines.ials import IALSConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-1m-ncf", split=Given()),
        model=IALSConfig(embed_dim=192, l2=0.007, unobserved_weight=0.3, epochs=12),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), candidates="lists"),
    )
