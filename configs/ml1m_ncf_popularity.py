"""TODO"""

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
