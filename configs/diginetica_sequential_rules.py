"""Sequential rules on Diginetica, SR-GNN's sessions: every next item, the full catalogue.

Command:  jaxrec train diginetica_sequential_rules
Time:     half a minute on two CPU cores.
Expected: test Recall@20 .3968, MRR@20 .1371; not tuned. Without ItemKNN behind its counts a Markov
          chain (--model.max-steps 1) has .3069 and .1075.
Paper:    Ludewig and Jannach, "Evaluation of Session-based Recommendation Algorithms", UMUAI 2018.
"""

from jaxrec.baselines.sequential_rules import SequentialRulesConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="diginetica", split=Given()),
        model=SequentialRulesConfig(),
        protocol=Protocol(
            metrics=("recall@20", "mrr@20"),
            monitor="mrr@20",
            seen="keep",
            averaged_over="events",
            min_history=1,
        ),
    )
