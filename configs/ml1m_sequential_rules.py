"""Sequential rules on SASRec's file of MovieLens-1M: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_sequential_rules
          jaxrec train ml1m_sequential_rules --protocol.fit-on train+validation
Time:     under half a minute on two CPU cores.
Expected: test HR@10 .223, NDCG@10 .130; fitted on train and validation .226, .131.
          Not tuned.
Paper:    Ludewig and Jannach, "Evaluation of Session-based Recommendation Algorithms", UMUAI 2018.
"""

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
