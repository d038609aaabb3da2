"""EASE on Diginetica, SR-GNN's sessions: every next item, the full catalogue.

Command:  jaxrec train diginetica_ease
Time:     not measured here yet.
Expected: not measured here yet; no published row on this very file is verified.
Tuned:    no; l2 is that of beauty_ease.
Paper:    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
"""

from jaxrec.baselines.ease import EASEConfig
from jaxrec.config import Config
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(path="diginetica", split=Given()),
        model=EASEConfig(l2=200.0),
        protocol=Protocol(
            metrics=("recall@20", "mrr@20"),
            monitor="mrr@20",
            seen="keep",
            averaged_over="events",
            min_history=1,
        ),
    )
