"""Mult-DAE on MovieLens-1M by the protocol of Liang et al.: users held out.

Command:  jaxrec train ml1m_ratings_mult_dae
Time:     3 minutes on two thirds of a CPU core.
Expected: test Recall@20 .3476, Recall@50 .4801, NDCG@100 .4194 (seed 0); EASE has .3606, .4767,
          .4231.
Tuned:    not yet; size, dropout and decay (.01 / 500) are the authors'.
Paper:    Liang et al., "Variational Autoencoders for Collaborative Filtering", WWW 2018.
          The protocol is that of ml1m_ratings_popularity.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Users
from jaxrec.data.cleaning import Cleaning
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import UserHoldout
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.mult_dae import MultDAEConfig
from jaxrec.optimizer import Adam
from jaxrec.reconstruction import Reconstruction
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(
            path="ml-1m",
            cleaning=Cleaning(min_value=4.0, min_user_events=5),
            split=UserHoldout(validation=500, test=500),
        ),
        model=MultDAEConfig(embed_dim=200),
        objective=Reconstruction(decay=2e-5),
        batches=Users(batch_size=250),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(
            metrics=("recall@20", "recall@50", "ndcg@100"), recall="capped", monitor="ndcg@100"
        ),
        train=TrainConfig(epochs=60, patience=10),
    )
