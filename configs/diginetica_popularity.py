"""The most popular products on Diginetica, SR-GNN's sessions: every next item, all items.

Command:  jaxrec train diginetica_popularity
Time:     half a minute on two CPU cores.
Expected: test Recall@20 .0093, MRR@20 .0021.
Paper:    Ludewig and Jannach, "Evaluation of Session-based Recommendation Algorithms", UMUAI 2018.
"""

from jaxrec.baselines.popularity import PopularityConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="diginetica", split=Given()),
        model=PopularityConfig(),
        protocol=Protocol(
            metrics=("recall@20", "mrr@20"),
            monitor="mrr@20",
            seen="keep",
            averaged_over="events",
            min_history=1,
        ),
    )
