"""Item neighbourhoods by cosine on Diginetica, SR-GNN's sessions: every next item, all items.

Command:  jaxrec train diginetica_item_knn
Time:     about a minute on two CPU cores.
Expected: test Recall@20 .3915, MRR@20 .1096.
Tuned:    no: all neighbours count, without shrinkage.
Paper:    Sarwar et al., "Item-Based Collaborative Filtering Recommendation Algorithms", WWW 2001.
"""

from jaxrec.baselines.item_knn import ItemKNNConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="diginetica", split=Given()),
        model=ItemKNNConfig(),
        protocol=Protocol(
            metrics=("recall@20", "mrr@20"),
            monitor="mrr@20",
            seen="keep",
            averaged_over="events",
            min_history=1,
        ),
    )
