"""The most popular articles of Amazon Sports for everybody: leave-one-out, the full catalogue.

Command:  jaxrec train sports_popularity
          jaxrec train sports_popularity --protocol.fit-on train+validation
Time:     under half a minute on two CPU cores.
Expected: test HR@10 .0091, NDCG@10 .0052; fitted on train and validation .0091, .0052.
          (the first 12 articles are the same in both). S3-Rec publishes .0094 and .0053.
Paper:    Zhou et al., "S3-Rec", CIKM 2020, for the file.
"""

from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sports"),
        model=PopularityConfig(),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10")),
    )
