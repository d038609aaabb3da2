"""EASE on MovieLens-1M by the protocol of Liang et al.: users held out.

Command:  jaxrec train ml1m_ratings_ease
Time:     112 s on two CPU cores that others used as well.
Expected: test Recall@20, Recall@50, NDCG@100 .3606, .4767, .4231.
Tuned:    l2 by validation NDCG@100, six trials between 100 and 3,000 (jaxrec tune
          ml1m_ratings_ease --trials 6 --space model.l2=float:100:3000:log): .4199 to .4200 from
          427 to 679, .4037 at 2,739; so it stays at the 500 of MovieLens-20M.
Paper:    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
          The protocol is that of ml1m_ratings_popularity.
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
            path="ml-1m",
            cleaning=Cleaning(min_value=4.0, min_user_events=5),
            split=UserHoldout(validation=500, test=500),
        ),
        model=EASEConfig(l2=500.0),
        protocol=Protocol(
            metrics=("recall@20", "recall@50", "ndcg@100"), recall="capped", monitor="ndcg@100"
        ),
    )
