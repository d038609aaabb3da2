"""The most popular films of SASRec's MovieLens-1M for everybody: leave-one-out, all items.

Command:  jaxrec train ml1m_popularity
          jaxrec train ml1m_popularity --protocol.fit-on train+validation
Time:     under half a minute on two CPU cores.
Expected: test HR@10 .0369, NDCG@10 .0180; fitted on train and validation .0363, .0178.
Paper:    none; the floor that every other row is read against.
"""

from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=PopularityConfig(),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10")),
    )
