"""MIND's interests on Amazon Beauty, S3-Rec's file: leave-one-out, the full catalogue.

Command:  jaxrec train beauty_mind
Time:     not measured here yet; at most 100 epochs.
Expected: not measured here yet; no verified row on this very file.
Tuned:    no; three rounds of routing are the authors', and so is that a history of n events has
          log2 n interests; the rest is that of beauty_comirec.
Paper:    Li et al., "Multi-Interest Network with Dynamic Routing for Recommendation at Tmall", CIKM
          2019, without its features of users.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.comirec import ComiRecConfig
from jaxrec.objectives import FullSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="beauty"),
        model=ComiRecConfig(
            embed_dim=64,
            num_interests=4,
            routing="dynamic",
            iterations=3,
            adaptive=True,
            power=2.0,
            history_length=50,
        ),
        objective=FullSoftmax(),
        batches=PackedSequences(batch_size=32, length=50),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=100, patience=10),
    )
