"""Sequential rules on Amazon Beauty, S3-Rec's file: leave-one-out, the full catalogue.

Command:  jaxrec train beauty_sequential_rules
          jaxrec train beauty_sequential_rules --protocol.fit-on train+validation
Time:     under half a minute on two CPU cores.
Expected: test HR@10 .0680, NDCG@10 .0445; fitted on train and validation .0771, .0510.
          Not tuned. Without ItemKNN behind its counts a Markov chain (--model.max-steps 1) has
          test HR@10 .0516, NDCG@10 .0354.
Paper:    Ludewig and Jannach, "Evaluation of Session-based Recommendation Algorithms", UMUAI 2018.
"""

from jaxrec.baselines.sequential_rules import SequentialRulesConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="beauty"),
        model=SequentialRulesConfig(),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10")),
    )
