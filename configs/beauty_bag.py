"""A fading bag of the history on Amazon Beauty, S3-Rec's file: leave-one-out, the full catalogue.

Command:  jaxrec train beauty_bag
Time:     not measured here yet; at most 100 epochs.
Expected: not measured here yet; no published row of it.
Tuned:    no.
Paper:    of the mean, Kabbur et al., "FISM: Factored Item Similarity Models for Top-N Recommender
          Systems", KDD 2013; that old events fade is ours.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.bag import BagConfig
from jaxrec.objectives import FullSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="beauty"),
        model=BagConfig(embed_dim=64, history_length=50),
        objective=FullSoftmax(),
        batches=PackedSequences(batch_size=32, length=50),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=100, patience=10),
    )
