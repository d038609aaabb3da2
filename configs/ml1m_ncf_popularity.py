"""The most popular films of NCF's MovieLens-1M for everybody: the last event among 99 others.

Command:  jaxrec train ml1m_ncf_popularity
Time:     a few seconds on two CPU cores.
Expected: test HR@10 .4531, NDCG@10 .2541. For 156 users the released lists hold the target itself,
          which is dropped; kept, it would make .4520 and .2526.
Paper:    He et al., "Neural Collaborative Filtering", WWW 2017, for the split and the lists.
"""

from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="ml-1m-ncf", split=Given()),
        model=PopularityConfig(),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), candidates="lists"),
    )
