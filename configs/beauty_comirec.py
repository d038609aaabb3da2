"""ComiRec-SA on Amazon Beauty, S3-Rec's file: leave-one-out, the full catalogue.

Command:  jaxrec train beauty_comirec
Time:     not measured here yet; at most 100 epochs.
Expected: not measured here yet; no verified row on this very file.
Tuned:    no; four interests and a hidden layer of 4 · width are the paper's; width, length and step
          size are those of S3-Rec's other models, and the loss is that of all items, where the
          paper draws ten an example. Negatives are scored by their own best interest: by the
          target's, as in the paper (--model.train-by target), planted tastes were learnt worse than
          popularity with four interests, and better the fewer there were.
Paper:    Cen et al., "Controllable Multi-Interest Framework for Recommendation", KDD 2020.
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
            embed_dim=64, num_interests=4, hidden_dim=256, train_by="best", history_length=50
        ),
        objective=FullSoftmax(),
        batches=PackedSequences(batch_size=32, length=50),
        optimizer=Adam(learning_rate=1e-3),
        protocol=Protocol(metrics=("hit_rate@10", "ndcg@10"), monitor="ndcg@10"),
        train=TrainConfig(epochs=100, patience=10),
    )
