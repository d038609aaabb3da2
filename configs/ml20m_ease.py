"""EASE on MovieLens-20M by the protocol of Liang et al.: users held out.

Command:  jaxrec train ml20m_ease --data.path FOLDER
Time:     not measured here: the data set is your own.
Expected: published test Recall@20, Recall@50, NDCG@100 .391, .521, .420.
Paper:    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
          Liang et al., "Variational Autoencoders for Collaborative Filtering", WWW 2018, for the
          protocol.
"""

from jaxrec.baselines.ease import EASEConfig
from jaxrec.config import Config
from jaxrec.data.cleaning import Cleaning
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import UserHoldout
from jaxrec.metrics.protocol import Protocol


def get_config() -> Config:
    return Config(
        data=DataConfig(
            path="ml-20m",
            cleaning=Cleaning(min_value=4.0, min_user_events=5),
            split=UserHoldout(validation=10_000, test=10_000),
        ),
        model=EASEConfig(l2=500.0),
        protocol=Protocol(
            metrics=("recall@20", "recall@50", "ndcg@100"), recall="capped", monitor="ndcg@100"
        ),
    )
