"""TODO"""

from jaxrec.baselines.sequential_rules import SequentialRulesConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=SequentialRulesConfig(),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10")),
    )
