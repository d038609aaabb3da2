"""RecVAE on MovieLens-1M by the protocol of Liang et al.: users held out.

Command:  jaxrec train ml1m_ratings_recvae
Time:     9 minutes on two thirds of a CPU core (80 epochs, still rising).
Expected: test Recall@20 .3676, Recall@50 .5011, NDCG@100 .4297 (seed 0); EASE has .3606, .4767,
          .4231.
Tuned:    not yet; sizes, γ and the rate are the authors'. An epoch has 21 steps, so the encoder
          has three epochs to the decoder's one.
Paper:    Shenbin et al., "RecVAE: A New Variational Autoencoder for Top-N Recommendations with
          Implicit Feedback", WSDM 2020.
          The protocol is that of ml1m_ratings_popularity.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Users
from jaxrec.data.cleaning import Cleaning
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import UserHoldout
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.recvae import RecVAEConfig
from jaxrec.optimizer import Adam
from jaxrec.reconstruction import Alternating
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(
            path="ml-1m",
            cleaning=Cleaning(min_value=4.0, min_user_events=5),
            split=UserHoldout(validation=500, test=500),
        ),
        model=RecVAEConfig(embed_dim=200, hidden_dim=600, gamma=0.005),
        objective=Alternating(encoder_steps=63, decoder_steps=21),
        batches=Users(batch_size=250),
        optimizer=Adam(learning_rate=5e-4),
        protocol=Protocol(
            metrics=("recall@20", "recall@50", "ndcg@100"), recall="capped", monitor="ndcg@100"
        ),
        train=TrainConfig(epochs=80, eval_every=84, patience=8),
    )
