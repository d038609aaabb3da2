"""EASE on the Million Song Dataset by the protocol of Liang et al.: users held out.

Command:  jaxrec train msd_ease --data.path train_triplets.txt
Time:     not measured here: the data set is your own. It takes 8 GB.
Expected: published test Recall@20, Recall@50, NDCG@100 .333, .428, .389, from memory.
Paper:    Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
          Liang et al., "Variational Autoencoders for Collaborative Filtering", WWW 2018, for the
          protocol: songs of fewer than 200 users are left out, then, once, users of fewer than 20.
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
            format="tsv",
            cleaning=Cleaning(min_item_events=200, min_user_events=20, core_rounds=1),
            split=UserHoldout(validation=50_000, test=50_000),
        ),
        model=EASEConfig(l2=200.0),
        protocol=Protocol(
            metrics=("recall@20", "recall@50", "ndcg@100"), recall="capped", monitor="ndcg@100"
        ),
    )
