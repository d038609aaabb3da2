"""A Markov chain on Diginetica, SR-GNN's sessions: every next item, the full catalogue.

Command:  jaxrec train diginetica_markov
Time:     about a minute on two CPU cores.
Expected: test Recall@20 .4385, MRR@20 .1423.
Paper:    Rendle et al., "Factorizing Personalized Markov Chains", WWW 2010, for the counts;
          Sarwar et al., "Item-Based Collaborative Filtering", WWW 2001, for the ties.
"""

from jaxrec.baselines.markov import MarkovConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="diginetica", split=Given()),
        model=MarkovConfig(),
        protocol=Protocol(
            metrics=("recall@20", "mrr@20"),
            monitor="mrr@20",
            seen="keep",
            averaged_over="events",
            min_history=1,
        ),
    )
