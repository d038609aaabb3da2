"""Sequential rules on SASRec's file of MovieLens-1M: leave-one-out, the full catalogue.

Command:  jaxrec train ml1m_sequential_rules
          jaxrec train ml1m_sequential_rules --protocol.fit-on train+validation
Time:     under half a minute on two CPU cores.
Expected: test HR@10 .2245, NDCG@10 .1305; fitted on train and validation .2252, .1307.
Tuned:    jaxrec tune ml1m_sequential_rules from max_steps = 10, over the space below: trial 17 of
          20, seed 0 (validation NDCG@10 .1379, as with 10 by a hair).
Paper:    Ludewig and Jannach, "Evaluation of Session-based Recommendation Algorithms", UMUAI 2018.
"""

from jaxrec.baselines.sequential_rules import SequentialRulesConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.space import Int, Range


def get_space() -> dict[str, Range]:
    return {
        "model.max_steps": Int(1, 30),
    }


def get_config() -> Config:
    return Config(
        data=DataConfig(path="sasrec-ml-1m"),
        model=SequentialRulesConfig(max_steps=5),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10")),
    )
