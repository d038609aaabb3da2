"""The most popular articles of Amazon Beauty for everybody: leave-one-out, the full catalogue.

Command:  jaxrec train beauty_popularity
          jaxrec train beauty_popularity --protocol.fit-on train+validation
Time:     under half a minute on two CPU cores.
Expected: test HR@10 .0110, NDCG@10 .0053; fitted on train and validation .0130, .0059.
          S3-Rec publishes .0152 and .0068, and leaves its rule for ties unsaid.
Paper:    Zhou et al., "S3-Rec", CIKM 2020, for the file.
"""

from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="beauty"),
        model=PopularityConfig(),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10")),
    )
