"""Mult-VAE on the Million Song Dataset by the protocol of Liang et al.: users held out.

Command:  jaxrec train msd_mult_vae --data.path train_triplets.txt
Time:     not measured here: the data set is your own.
Expected: published test Recall@20, Recall@50, NDCG@100 .266, .364, .316, from memory.
Tuned:    no; sizes, batches, annealing and epochs are those of ml20m_mult_vae, the authors'.
Paper:    Liang et al., "Variational Autoencoders for Collaborative Filtering", WWW 2018: songs of
          fewer than 200 users are left out, then, once, users of fewer than 20.
"""

from jaxrec.config import Config
from jaxrec.data.batches import Users
from jaxrec.data.cleaning import Cleaning
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import UserHoldout
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.mult_vae import MultVAEConfig
from jaxrec.optimizer import Adam
from jaxrec.reconstruction import Reconstruction
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(
            format="tsv",
            cleaning=Cleaning(min_item_events=200, min_user_events=20, core_rounds=1),
            split=UserHoldout(validation=50_000, test=50_000),
        ),
        model=MultVAEConfig(embed_dim=200, hidden_dims=(600,)),
        objective=Reconstruction(kl_cap=0.2, anneal_steps=200_000),
        batches=Users(batch_size=500),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(
            metrics=("recall@20", "recall@50", "ndcg@100"), recall="capped", monitor="ndcg@100"
        ),
        train=TrainConfig(epochs=200, patience=None),
    )
