"""Popularity on MovieLens-1M by the protocol of Liang et al.: users held out.

Command:  jaxrec train ml1m_ratings_popularity
Time:     33 s on two CPU cores that others used as well.
Expected: test Recall@20, Recall@50, NDCG@100 .1613, .2330, .2105.
Paper:    Liang et al., "Variational Autoencoders for Collaborative Filtering", WWW 2018, for the
          protocol: ratings from 4 on, users with five or more, full ranking, 80 % of a held-out
          user's films given. Of the 6,034 users 500 validate and 500 are tested, the share that
          10,000 have of the 136,677 of MovieLens-20M, rounded up.
"""

from jaxrec.baselines.popularity import PopularityConfig
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
        model=PopularityConfig(),
        protocol=Protocol(
            metrics=("recall@20", "recall@50", "ndcg@100"), recall="capped", monitor="ndcg@100"
        ),
    )
